#include "text/grammar/gbnf.h"

#include <gtest/gtest.h>

#include <string>

#include "base/error.h"
#include "tests/support/test_data.h"
#include "text/grammar/compiled_grammar.h"
#include "text/grammar/testing/grammar_matches.h"

namespace minim {
namespace {

using testing::matches;

bool grammar_matches(std::string_view grammar, std::string_view text) {
  return matches(*compile_grammar(parse_gbnf(grammar)), text);
}

std::string refusal(std::string_view grammar, ErrorCode code = ErrorCode::kFormat) {
  try {
    compile_grammar(parse_gbnf(grammar));
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    return error.what();
  }
  ADD_FAILURE() << grammar << " was accepted";
  return {};
}

TEST(Gbnf, Syntax) {
  const char* const grammar = R"(# a comment
root  ::= (item | "x"  # another
           item){1,2} end
item ::= [a-c\-\]] "\x41\u00e9\U0001F600\n\"" | [^a-z] .
end ::=   # nothing on this line
  "!"? "y"{2} "z"{,2}
  | "e"+)";
  EXPECT_TRUE(grammar_matches(grammar, "aAé😀\n\"!yyzz"));
  EXPECT_TRUE(grammar_matches(grammar, "xQqBbee"));
  EXPECT_TRUE(grammar_matches(grammar, "-Aé😀\n\"yy"));
  EXPECT_FALSE(grammar_matches(grammar, "xQqBbAaee"));
  EXPECT_FALSE(grammar_matches(grammar, "qyy"));
  EXPECT_TRUE(grammar_matches("root ::= \"\"", ""));
}

TEST(Gbnf, Recursion) {
  const char* const brackets = "root ::= \"(\" root \")\" root | \"\"";
  EXPECT_TRUE(grammar_matches(brackets, "(()())()"));
  EXPECT_FALSE(grammar_matches(brackets, "(()"));
  // Rules that begin with themselves.
  const char* const sums = R"gbnf(root ::= root "+" term | term
term ::= term "*" factor | factor
factor ::= "(" root ")" | [0-9]+)gbnf";
  EXPECT_TRUE(grammar_matches(sums, "1+2*(3+45)*6"));
  EXPECT_FALSE(grammar_matches(sums, "1+*2"));
  // Palindromes are read in many ways at once.
  const char* const palindromes =
      R"gbnf(root ::= "a" root "a" | "b" root "b" | "a" | "b" | "")gbnf";
  EXPECT_TRUE(grammar_matches(palindromes, "abbabba"));
  EXPECT_FALSE(grammar_matches(palindromes, "abbabbb"));
  // Recursion at the end of a rule takes no stack.
  EXPECT_TRUE(grammar_matches("root ::= \"a\" root | \"b\"", std::string(50'000, 'a') + "b"));
  EXPECT_TRUE(grammar_matches("root ::= item root | item\nitem ::= \"(\" item \")\" | \"x\"",
                              std::string(20'000, 'x')));
}

TEST(Gbnf, ErrorsNameThePlace) {
  EXPECT_NE(refusal("root ::= \"a\"\nb ::= [a").find("line 2, column 7"), std::string::npos);
  EXPECT_NE(refusal("root ::= a").find("rule 'a' is used but not defined at line 1, column 10"),
            std::string::npos);
  EXPECT_NE(refusal("a ::= \"a\"").find("'root'"), std::string::npos);
  EXPECT_NE(refusal("root ::= \"a\"\nroot ::= \"b\"").find("twice at line 2"), std::string::npos);
  EXPECT_NE(refusal("root ::= <[100]>", ErrorCode::kUnsupported).find("token"), std::string::npos);
  EXPECT_NE(refusal("root ::= root \"a\"").find("no text matches"), std::string::npos);
  const std::string roundabout =
      refusal("root ::= a \"x\"\na ::= b \"y\" | \"z\"\nb ::= a \"w\"", ErrorCode::kUnsupported);
  EXPECT_NE(roundabout.find("can begin with itself"), std::string::npos);
  for (const char* bad : {"root ::= \"a", "root = \"a\"", "root ::= *", "root ::= (\"a\"",
                          "root ::= \"\\q\"", "root ::= \"a\"{2,1}", "root ::= \"a\")", "::= \"a\"",
                          "root ::= \"a\"{x}", "root ::= [b-a]"}) {
    refusal(bad);
  }
}

TEST(Gbnf, HostileGrammarsAreBounded) {
  refusal("root ::= " + std::string(60'000, '('), ErrorCode::kLimit);
  refusal("root ::= ((\"a\"{1000}){1000}){1000}", ErrorCode::kLimit);
  refusal("root ::= (a{1,500} \"x\"){500}\na ::= [^a-z]", ErrorCode::kLimit);
  refusal("root ::= ([α-ω一-龥]{1,300} | [а-я]{1,300} \"x\"){300}", ErrorCode::kLimit);
  std::string doubling = "root ::= r0\n";
  for (int i = 0; i < 60; ++i) {
    doubling += "r" + std::to_string(i) + " ::= r" + std::to_string(i + 1) + " r" +
                std::to_string(i + 1) + "\n";
  }
  doubling += "r60 ::= \"a\"\n";
  // 2^60 letters: rules that are called, one in another.
  EXPECT_FALSE(grammar_matches(doubling, "aaa"));
  std::string chain = "root ::= r0\n";
  for (int i = 0; i < 5'000; ++i) {
    chain += "r" + std::to_string(i) + " ::= \"(\" r" + std::to_string(i + 1) + " \")\"\n";
  }
  chain += "r5000 ::= \"x\"";
  EXPECT_TRUE(grammar_matches(chain, std::string(5'000, '(') + "x" + std::string(5'000, ')')));
  // Rules of which each can end only by way of the one before.
  std::string circle = "root ::= r0\nr0 ::= \"c\" r1999 \"d\" | \"e\"\n";
  for (int i = 1; i < 2'000; ++i) {
    circle += "r" + std::to_string(i) + " ::= \"a\" r" + std::to_string(i - 1) + " \"b\"\n";
  }
  EXPECT_TRUE(grammar_matches(circle, "e"));
  // Every reading of n letters is one of exponentially many, yet few places hold them all.
  EXPECT_TRUE(grammar_matches("root ::= \"a\" root \"b\"? | \"a\"", std::string(200, 'a')));
}

TEST(Gbnf, PublishedGrammars) {
  MINIM_DATA_OR_SKIP(path, "conformance/gbnf_grammars.tar.xz");
  int count = 0;
  for (const testing::ArchiveMember& member : testing::read_archive(path)) {
    if (!member.name.ends_with(".gbnf")) continue;
    SCOPED_TRACE(member.name);
    EXPECT_NO_THROW(compile_grammar(parse_gbnf(member.content)));
    ++count;
    if (member.name.ends_with("json.gbnf")) {
      EXPECT_TRUE(
          grammar_matches(member.content, R"({"a": [1, -2.5e3, {"b": "\u00e9\n"}], "c": null})"));
      EXPECT_FALSE(grammar_matches(member.content, R"({"a": [1, }])"));
    }
    if (member.name.ends_with("chess.gbnf")) {
      EXPECT_TRUE(grammar_matches(member.content, "1. e4 e5\n2. Nf3 Nc6\n"));
    }
  }
  EXPECT_EQ(count, 8);
}

}  // namespace
}  // namespace minim
