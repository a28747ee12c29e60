#include "text/grammar/constraint.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <set>
#include <string>
#include <thread>

#include "base/error.h"
#include "base/rng.h"
#include "text/grammar/gbnf.h"
#include "text/grammar/regex_grammar.h"
#include "text/grammar/testing/grammar_matches.h"
#include "text/tokenizer_test_support.h"

namespace minim {
namespace {

// A vocabulary of these texts and an end of text.
std::shared_ptr<const TokenTries> make_tries(const std::vector<std::string>& texts) {
  Vocabulary vocabulary;
  vocabulary.kind = TokenizerKind::kByteBpe;
  vocabulary.pre_tokenizer = "none";
  for (const std::string& text : texts) testing::add_token(vocabulary, encode_letters(text));
  vocabulary.eos = testing::add_token(vocabulary, "<end>", 0, TokenType::kControl);
  // Without any merge, tokens of several bytes would be refused.
  const std::string twice = texts[0] + texts[0];
  vocabulary.merges = {encode_letters(texts[0]) + " " + encode_letters(texts[0])};
  if (std::find(texts.begin(), texts.end(), twice) == texts.end()) {
    testing::add_token(vocabulary, encode_letters(twice), 0, TokenType::kControl);
  }
  vocabulary.scores.clear();
  return TokenTries::make(Tokenizer::make(std::move(vocabulary)));
}

std::vector<TokenId> allowed_tokens(Constraint& constraint) {
  std::vector<uint64_t> bits(constraint.mask_words());
  constraint.allowed(bits);
  std::vector<TokenId> tokens;
  for (size_t i = 0; i < bits.size() * 64; ++i) {
    if ((bits[i / 64] >> (i % 64) & 1) != 0) tokens.push_back(TokenId(i));
  }
  return tokens;
}

// Every sequence of tokens, up to `length` of them, whose text the grammar matches, by trying all.
std::set<std::vector<TokenId>> all_tokenisations(const CompiledGrammar& grammar,
                                                 const std::vector<std::string>& texts,
                                                 size_t length) {
  std::set<std::vector<TokenId>> found;
  std::vector<TokenId> path;
  const std::function<void(const std::string&)> extend = [&](const std::string& text) {
    if (testing::matches(grammar, text)) found.insert(path);
    if (path.size() == length) return;
    for (size_t i = 0; i < texts.size(); ++i) {
      path.push_back(TokenId(i));
      extend(text + texts[i]);
      path.pop_back();
    }
  };
  extend("");
  return found;
}

// The constrained distribution is the unconstrained one restricted to the grammar's texts: what the
// masks lead to is what enumeration finds, and nothing that is allowed leads nowhere.
void expect_exact(Grammar source, const std::vector<std::string>& texts, size_t length) {
  const auto tries = make_tries(texts);
  const auto reference = compile_grammar(source);
  const auto grammar = TokenGrammar::make(std::move(source), tries);
  const auto expected = all_tokenisations(*reference, texts, length);
  std::set<std::vector<TokenId>> prefixes;
  for (const auto& tokens : expected) {
    for (size_t n = 0; n <= tokens.size(); ++n)
      prefixes.insert({tokens.begin(), tokens.begin() + std::ptrdiff_t(n)});
  }
  std::set<std::vector<TokenId>> reached;
  std::vector<TokenId> path;
  const TokenId end = TokenId(texts.size());
  const std::function<void(Constraint)> follow = [&](Constraint constraint) {
    const std::vector<TokenId> allowed = allowed_tokens(constraint);
    EXPECT_FALSE(allowed.empty());
    for (const TokenId token : allowed) {
      if (token == end) {
        reached.insert(path);
        continue;
      }
      if (path.size() == length) continue;
      path.push_back(token);
      Constraint next = constraint;
      EXPECT_TRUE(next.accept(token));
      follow(std::move(next));
      path.pop_back();
    }
    // Whatever is not allowed is not accepted.
    for (TokenId token = 0; token <= end; ++token) {
      if (std::find(allowed.begin(), allowed.end(), token) == allowed.end()) {
        EXPECT_FALSE(Constraint(constraint).accept(token));
      }
    }
  };
  follow(Constraint(grammar));
  EXPECT_EQ(reached, expected);
  EXPECT_GT(expected.size(), 1u);
}

TEST(Constraint, ExactOnRegularLanguages) {
  const std::vector<std::string> texts = {"a", "b", "ab", "ba", "aab", "c", "bc"};
  for (const char* pattern : {"a*b", "(ab|ba)*c?", "a(b|bc)*", "[^c]{2,4}c", "(a|ab)(c|bcc)"}) {
    SCOPED_TRACE(pattern);
    expect_exact(regex_grammar(pattern), texts, 4);
  }
}

TEST(Constraint, ExactOnRecursiveGrammars) {
  const std::vector<std::string> texts = {"(", ")", "x", "()", "((", "))", ")x", ")("};
  for (const char* grammar :
       {R"gbnf(root ::= "(" root ")" | "x")gbnf", R"gbnf(root ::= "(" root ")" root | "")gbnf",
        R"gbnf(root ::= "x" | list
list ::= "(" (root root?)? ")")gbnf"}) {
    SCOPED_TRACE(grammar);
    expect_exact(parse_gbnf(grammar), texts, 4);
  }
}

TEST(Constraint, ExactWhereBytesAreNoTokens) {
  // "c" exists within "bc" alone, "d" not at all: "a" then "b" would lead nowhere.
  const std::vector<std::string> texts = {"a", "b", "bc", "ab"};
  for (const char* pattern : {"(abc|aba|d)+", "a(bcb|bd|cb)*", "(a|b|bc)*"}) {
    SCOPED_TRACE(pattern);
    expect_exact(regex_grammar(pattern), texts, 5);
  }
  const auto tries = make_tries(texts);
  EXPECT_THROW(TokenGrammar::make(regex_grammar("ac"), tries), Error);
  EXPECT_THROW(TokenGrammar::make(parse_gbnf("root ::= \"a\" root \"bc\" | \"a\""), tries), Error);
}

TEST(Constraint, ExactOnUnicode) {
  const std::vector<std::string> texts = {"\xC3",     "\xA9",     "\xC3\xA9", "e",
                                          "\xF0\x9F", "\x98\x80", "\""};
  expect_exact(regex_grammar("\"[^a-z]*\""), texts, 4);
  expect_exact(regex_grammar(".{1,2}"), texts, 5);
}

// Masks that are put together from kept ones against masks that are computed anew, on long texts.
TEST(Constraint, KeptMasksAreThoseOfAFreshGrammar) {
  const auto tries = TokenTries::make(Tokenizer::make(testing::byte_bpe_vocabulary()));
  const char* const text = R"gbnf(root ::= value
value ::= "[" (value ("," value)*)? "]" | "{" (pair ("," pair)*)? "}" | [0-9]+ | key
pair ::= key ":" value
key ::= "\"" [^"\\]* "\"")gbnf";
  const auto kept = TokenGrammar::make(parse_gbnf(text), tries);
  Rng rng(3);
  for (int round = 0; round < 20; ++round) {
    Constraint constraint(kept);
    for (int step = 0; step < 40; ++step) {
      const auto allowed = allowed_tokens(constraint);
      ASSERT_FALSE(allowed.empty());
      if (step % 8 == 0) {
        std::vector<TokenId> expected;
        for (TokenId token = 0; token < tries->tokenizer().size(); ++token) {
          if (Constraint(constraint).accept(token)) expected.push_back(token);
        }
        ASSERT_EQ(allowed, expected);
      }
      const TokenId token = allowed[rng.below(allowed.size())];
      ASSERT_TRUE(constraint.accept(token));
      if (constraint.is_finished()) break;
    }
  }
}

TEST(Constraint, MasksStayBounded) {
  const auto tries = TokenTries::make(Tokenizer::make(testing::byte_bpe_vocabulary()));
  const auto small = TokenGrammar::make(regex_grammar("([a-z]{0,40} )*"), tries, 4096);
  const auto large = TokenGrammar::make(regex_grammar("([a-z]{0,40} )*"), tries);
  Constraint a(small), b(large);
  Rng rng(5);
  for (int i = 0; i < 300; ++i) {
    const auto allowed = allowed_tokens(a);
    ASSERT_EQ(allowed, allowed_tokens(b));
    const TokenId token = allowed[rng.below(allowed.size())];
    if (tries->tokenizer().ends_generation(token)) continue;
    ASSERT_TRUE(a.accept(token));
    ASSERT_TRUE(b.accept(token));
  }
}

TEST(Constraint, RollbackAndCopies) {
  const auto tries = make_tries({"a", "b", "(", ")"});
  Constraint constraint(TokenGrammar::make(parse_gbnf("root ::= \"(\" root \")\" | \"a\""), tries));
  for (const TokenId token : {2, 2, 0}) ASSERT_TRUE(constraint.accept(token));
  EXPECT_FALSE(constraint.accept(1));
  Constraint copy = constraint;
  ASSERT_TRUE(copy.accept(3));
  ASSERT_TRUE(copy.accept(3));
  EXPECT_TRUE(copy.is_complete());
  EXPECT_TRUE(copy.is_finished());
  ASSERT_TRUE(copy.accept(4));
  EXPECT_EQ(copy.rollback_max(), 6u);
  copy.rollback(4);
  EXPECT_FALSE(copy.is_complete());
  EXPECT_EQ(allowed_tokens(copy), (std::vector<TokenId>{0, 2}));
  EXPECT_EQ(allowed_tokens(constraint), (std::vector<TokenId>{3}));
  constraint.rollback(3);
  EXPECT_TRUE(constraint.accept(0));
  EXPECT_TRUE(constraint.is_complete());
}

TEST(Constraint, LongTextsForgetTheirBeginning) {
  const auto tries = make_tries({"a", "b"});
  Constraint constraint(TokenGrammar::make(regex_grammar("(ab)*"), tries));
  for (int i = 0; i < 20'000; ++i) ASSERT_TRUE(constraint.accept(i % 2));
  EXPECT_LT(constraint.rollback_max(), 10'000u);
  constraint.rollback(4001);
  EXPECT_EQ(allowed_tokens(constraint), std::vector<TokenId>{1});
}

TEST(Constraint, ForcedText) {
  const auto tries = TokenTries::make(Tokenizer::make(testing::byte_bpe_vocabulary()));
  const auto make = [&](const char* pattern) {
    return Constraint(TokenGrammar::make(regex_grammar(pattern), tries));
  };
  EXPECT_EQ(make("the cat|the cow").forced_text(), "the c");
  EXPECT_EQ(make("a?").forced_text(), "");
  EXPECT_EQ(make("(ab)+").forced_text(), "ab");
  const auto spell = [&](const std::vector<TokenId>& tokens) {
    std::vector<std::string> texts;
    for (const TokenId token : tokens) texts.push_back(tries->tokenizer().token_bytes(token));
    return texts;
  };
  EXPECT_EQ(spell(make("the cat").forced_tokens()),
            (std::vector<std::string>{"the", " ", "c", "a", "t"}));
  // "th" could go on as "the": the model is to choose.
  EXPECT_EQ(spell(make("x(th|the)").forced_tokens()), std::vector<std::string>{"x"});
  EXPECT_EQ(spell(make("xth(e|o)").forced_tokens()), std::vector<std::string>{"x"});
  // Nothing that begins with "th" and goes on otherwise is a token.
  EXPECT_EQ(spell(make("xth(o|u)").forced_tokens()), (std::vector<std::string>{"x", "th"}));

  const auto pieces = TokenTries::make(Tokenizer::make(testing::sentencepiece_bpe_vocabulary()));
  Constraint constraint(TokenGrammar::make(regex_grammar("cat the cat[.!]"), pieces));
  std::string text;
  for (const TokenId token : constraint.forced_tokens()) text += pieces->text(token);
  EXPECT_EQ(text, "cat the cat");
}

TEST(Constraint, GivesUpOnTooManyReadings) {
  const auto tries = make_tries({"a", "b"});
  // At every letter a new stack may begin: their number grows with the text.
  Constraint constraint(TokenGrammar::make(
      parse_gbnf("root ::= (\"a\" x)+\nx ::= \"a\" x \"b\" | \"a\" x \"a\" | \"\""), tries));
  EXPECT_THROW(
      {
        for (int i = 0; i < 2'000; ++i) constraint.accept(0);
      },
      Error);
}

TEST(Constraint, SharedByThreads) {
  const auto tries = TokenTries::make(Tokenizer::make(testing::byte_bpe_vocabulary()));
  const auto grammar =
      TokenGrammar::make(parse_gbnf("root ::= \"(\" root* \")\" | [a-z]+"), tries, 20'000);
  const auto work = [&](uint64_t seed) {
    Rng rng(seed);
    for (int round = 0; round < 10; ++round) {
      Constraint constraint(grammar);
      for (int i = 0; i < 50; ++i) {
        const auto allowed = allowed_tokens(constraint);
        if (allowed.empty() || !constraint.accept(allowed[rng.below(allowed.size())])) break;
      }
    }
  };
  std::vector<std::thread> threads;
  for (uint64_t i = 0; i < 4; ++i) threads.emplace_back(work, i);
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(grammar->memory_bytes(), 0u);
}

}  // namespace
}  // namespace minim
