#include "text/grammar/regex_grammar.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <gtest/gtest.h>
#include <pcre2.h>

#include <string>

#include "base/error.h"
#include "base/rng.h"
#include "text/grammar/compiled_grammar.h"
#include "text/grammar/testing/grammar_matches.h"
#include "text/utf8.h"

namespace minim {
namespace {

using testing::matches;

std::shared_ptr<const CompiledGrammar> compile(std::string_view pattern,
                                               const RegexOptions& options = {}) {
  return compile_grammar(regex_grammar(pattern, options));
}

bool regex_matches(std::string_view pattern, std::string_view text,
                   const RegexOptions& options = {}) {
  return matches(*compile(pattern, options), text);
}

std::string refusal(std::string_view pattern, ErrorCode code, const GrammarLimits& limits = {}) {
  try {
    compile_grammar(regex_grammar(pattern, {}, limits));
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    return error.what();
  }
  ADD_FAILURE() << pattern << " was accepted";
  return {};
}

bool pcre_matches(const std::string& pattern, const std::string& text, bool search) {
  int code = 0;
  size_t offset = 0;
  const uint32_t options =
      PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | (search ? 0 : PCRE2_ANCHORED | PCRE2_ENDANCHORED);
  pcre2_code* regex = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                                    options, &code, &offset, nullptr);
  EXPECT_NE(regex, nullptr) << pattern;
  if (regex == nullptr) return false;
  pcre2_match_data* data = pcre2_match_data_create(1, nullptr);
  const int result = pcre2_match(regex, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), 0,
                                 0, data, nullptr);
  pcre2_match_data_free(data);
  pcre2_code_free(regex);
  return result >= 0;
}

// A random pattern over few letters, so that random texts match now and then.
std::string random_pattern(Rng& rng, int depth) {
  const auto atom = [&]() -> std::string {
    static const char* const kAtoms[] = {"a", "b", "[ab]", "[^a]", ".", "é", "[à-ü]", "", "a|b"};
    if (depth > 0 && rng.below(3) == 0) {
      return (rng.below(2) ? "(" : "(?:") + random_pattern(rng, depth - 1) + ")";
    }
    const std::string text = kAtoms[rng.below(std::size(kAtoms))];
    return text.empty() || text == "a|b" ? "(?:" + text + ")" : text;
  };
  std::string pattern;
  const auto pieces = 1 + rng.below(3);
  for (uint64_t i = 0; i < pieces; ++i) {
    static const char* const kCounts[] = {"", "", "", "*", "+", "?", "{2}", "{1,3}", "{2,}", "*?"};
    if (rng.below(9) == 0) pattern += "^";
    pattern += atom() + kCounts[rng.below(std::size(kCounts))];
    if (rng.below(9) == 0) pattern += "$";
    if (rng.below(6) == 0) pattern += "|";
  }
  return pattern;
}

TEST(RegexGrammar, AgreesWithPcre2OnRandomPatterns) {
  Rng rng(7);
  int matched = 0, tried = 0;
  for (int i = 0; i < 300; ++i) {
    const std::string pattern = random_pattern(rng, 2);
    const bool search = rng.below(2) == 0;
    const auto grammar = [&]() -> std::shared_ptr<const CompiledGrammar> {
      try {
        return compile(pattern, {.search = search});
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::kFormat) << pattern << ": " << error.what();
        return nullptr;  // no text matches
      }
    }();
    for (int k = 0; k < 40; ++k) {
      std::string text;
      const uint64_t length = rng.below(6);
      static const char* const kLetters[] = {"a", "b", "é", "c"};
      for (uint64_t n = 0; n < length; ++n) text += kLetters[rng.below(4)];
      const bool expected = pcre_matches(pattern, text, search);
      EXPECT_EQ(grammar && matches(*grammar, text), expected) << pattern << " on '" << text << "'";
      matched += expected;
      ++tried;
    }
  }
  EXPECT_GT(matched, tried / 10);
}

TEST(RegexGrammar, Classes) {
  EXPECT_TRUE(regex_matches(R"(\d{3}-\w+\s\S)", "123-a_Z9 ."));
  EXPECT_FALSE(regex_matches(R"(\d)", "٣"));
  EXPECT_TRUE(regex_matches(R"(\p{Nd}\pL\P{L})", "٣ж!"));
  EXPECT_TRUE(regex_matches(R"([[:alpha:][:^digit:]]+)", "ab-c"));
  EXPECT_TRUE(regex_matches(R"([]a]+)", "]a"));
  EXPECT_TRUE(regex_matches(R"([a-]+)", "a-"));
  EXPECT_TRUE(regex_matches(R"(\x41\x{1F600}\Qa.b\E)", "A😀a.b"));
  EXPECT_TRUE(regex_matches(R"([^\n]*)", "äöü😀"));
  EXPECT_FALSE(regex_matches(R"([^\n]*)", "\xFF"));
  EXPECT_FALSE(regex_matches(".", "\n"));
  EXPECT_TRUE(regex_matches("(?s).", "\n"));
  EXPECT_TRUE(regex_matches(R"(\uD83D\uDE00\/[\u00e9])", "😀/é", {.dialect = RegexDialect::kEcma}));
}

TEST(RegexGrammar, Case) {
  EXPECT_TRUE(regex_matches("(?i)straße k", "STRAßE \u212A"));
  EXPECT_TRUE(regex_matches("(?i:a)b", "Ab"));
  EXPECT_FALSE(regex_matches("(?i:a)b", "AB"));
  EXPECT_TRUE(regex_matches("a(?i)b|c", "C"));
  EXPECT_TRUE(regex_matches("((?i)a)b", "Ab"));
  EXPECT_FALSE(regex_matches("((?i)a)b", "AB"));
  EXPECT_TRUE(regex_matches("[а-я]+", "ПРИВЕТ", {.case_insensitive = true}));
}

TEST(RegexGrammar, RefusesByName) {
  EXPECT_NE(refusal("(?<=x)*", ErrorCode::kUnsupported).find("look-behind"), std::string::npos);
  EXPECT_NE(refusal("a(?!b)", ErrorCode::kUnsupported).find("look-ahead"), std::string::npos);
  EXPECT_NE(refusal(R"((a)\1)", ErrorCode::kUnsupported).find("back-reference"), std::string::npos);
  EXPECT_NE(refusal("(?>a)", ErrorCode::kUnsupported).find("atomic"), std::string::npos);
  EXPECT_NE(refusal(R"(\bx)", ErrorCode::kUnsupported).find("word boundary"), std::string::npos);
  EXPECT_NE(refusal("a*+", ErrorCode::kUnsupported).find("possessive"), std::string::npos);
  EXPECT_NE(refusal(R"(\p{Greek})", ErrorCode::kUnsupported).find("Greek"), std::string::npos);
  EXPECT_NE(refusal("ab)", ErrorCode::kFormat).find("at byte 2"), std::string::npos);
  for (const char* bad :
       {"(a", "[a", "*", "a**", "[b-a]", "a{3,2}", "\\", "(?<n", "\\x4", "(?q)"}) {
    refusal(bad, ErrorCode::kFormat);
  }
  EXPECT_NE(refusal("[^\\x00-\\x{10FFFF}]", ErrorCode::kFormat).find("no text"), std::string::npos);
}

std::string repeated(std::string_view text, size_t count) {
  std::string result;
  for (size_t i = 0; i < count; ++i) result += text;
  return result;
}

// What grows with the square of a pattern would pass no bound on its length.
TEST(RegexGrammar, LongClassesTakeLinearlyManySteps) {
  const auto steps = [](size_t count) {
    std::string letters;
    for (size_t i = 0; i < count; ++i) append_utf8(char32_t(0x9FFF - 2 * i), letters);
    return double(compile("[" + letters + "]")->compile_steps());
  };
  EXPECT_LT(steps(8'000), 2.5 * steps(4'000));
  EXPECT_TRUE(regex_matches("[" + repeated("zy", 40'000) + "]", "y"));
}

// With a tenth of the steps: it is their number that is bounded.
void refuse_within_limits(std::string_view pattern) {
  refusal(pattern, ErrorCode::kLimit, {.steps_max = 300'000, .states_max = 10'000});
}

TEST(RegexGrammar, HostilePatternsAreBounded) {
  refuse_within_limits(std::string(60'000, '('));
  refuse_within_limits("((((a{1000}){1000}){1000}){1000})");
  refuse_within_limits("(.*a.{30})");
  refuse_within_limits("a{99999999}");
  refuse_within_limits("(\\pL{1,500}x){500}");
  refuse_within_limits("[\\pL\\pN\\pP]{50000}");
  refuse_within_limits("(\\pL{1,30}[x\\pN]{1,30}){1,30}");
  refuse_within_limits("(\\pL|\\pM|\\pN|\\pP|\\pS|\\pZ|\\pC){2000}");
  refuse_within_limits("((a?){200}b?){200}");
  refuse_within_limits("(a|b)*a(a|b){18}");
  refuse_within_limits("(?i)" + repeated("[\\pL\\pN]", 2'000));
  refuse_within_limits("[" + repeated("\\pL\\PL", 20'000) + "]");
  refuse_within_limits("(a{2})*|(a{3})*|(a{5})*|(a{7})*|(a{11})*|(a{13})*|(a{17})*|(a{19})*");
  refuse_within_limits(std::string(200'000, 'a'));
  const auto grammar = compile("(a+)+b");
  EXPECT_LE(grammar->state_count(), 4u);
  EXPECT_FALSE(matches(*grammar, std::string(100'000, 'a')));
  EXPECT_TRUE(matches(*grammar, std::string(100'000, 'a') + "b"));
}

}  // namespace
}  // namespace minim
