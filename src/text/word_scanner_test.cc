// Every hand-written scanner against the regular expression that it stands for.
#include "text/word_scanner.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <array>

#include "base/rng.h"
#include "text/pre_tokenizer.h"
#include "text/regex.h"
#include "text/unicode.h"

namespace minim {
namespace {

struct ScannerCase {
  const char* regex;
  WordScanner scanner;
};

const ScannerCase kCases[] = {
    {kGpt2Pattern, scan_gpt2_words},
    {kLlama3Pattern, scan_llama3_words},
    {kQwen2Pattern, scan_qwen2_words},
    {R"(\p{N})", scan_numbers},
    {R"(\p{N}+)", scan_number_runs},
    {R"([\r\n])", scan_line_ends},
    {"[0-9][0-9][0-9]", scan_digit_triples},
    {R"([\p{P}\$\+<=>\^~\|]+)", scan_punctuation_runs},
    {R"([\p{P}\$\+<=>\^~\|`]+)", scan_falcon_punctuation_runs},
    {R"(\s?\p{L}+)", scan_spaced_letters},
    {R"(\s?\p{P}+)", scan_spaced_punctuation},
    {R"([\x{4e00}-\x{9fa5}\x{800}-\x{4e00}\x{ac00}-\x{d7ff}]+)", scan_east_asian_runs},
};

// What random texts are put together from.
constexpr std::array kUnits = {
    " ",
    "  ",
    "\n",
    "\r\n",
    "\t",
    "\v",
    "\xC2\x85",
    "\xC2\xA0",
    "\xE3\x80\x80",
    "\xE1\xA0\x8E",
    "\xE2\x80\xA8",
    "a",
    "B",
    "zz",
    "'s",
    "'S",
    "'LL",
    "'ve",
    "'r",
    "'",
    "''",
    "'\xC5\xBF",
    "1",
    "23",
    "4567",
    "\xC2\xBD",
    "\xD9\xA3",
    "é",
    "ß",
    "中文",
    "か",
    "한",
    "\xE2\x85\xA7",
    ".",
    ",!?",
    "$",
    "+=",
    "^",
    "`",
    "~|",
    "_",
    "😀",
    "e\xCC\x81",
    "\xCC\x81",
    "\xFF",
    "\xE4\xB8",
    "\xC0",
    "\xED\xA0\x80",
    std::string_view("\0", 1).data(),
    "\x7F",
    "\xEF\xBB\xBF",
    "I'm",
    "don't",
};

std::vector<std::string> texts() {
  std::vector<std::string> texts;
  Rng rng(7);
  for (int i = 0; i < 3000; ++i) {
    std::string text;
    for (uint64_t n = 1 + rng.below(20); n > 0; --n) {
      if (rng.below(40) == 0) {
        text += '\0';
      } else {
        text += kUnits[rng.below(kUnits.size())];
      }
    }
    texts.push_back(std::move(text));
  }
  for (int i = 0; i < 500; ++i) {  // any bytes
    std::string text;
    for (uint64_t n = 1 + rng.below(60); n > 0; --n) text += static_cast<char>(rng.below(256));
    texts.push_back(std::move(text));
  }
  for (const char* unit : kUnits) {  // long runs, over the regex's window
    std::string text;
    while (text.size() < 10'000) text += std::string(unit).empty() ? "x" : unit;
    texts.push_back(text);
    texts.push_back(text + "x");
    texts.push_back(" 1a" + text + " ");
  }
  return texts;
}

TEST(WordScanner, EqualsItsRegularExpression) {
  const std::vector<std::string> all = texts();
  for (const ScannerCase& test : kCases) {
    // A group that changes nothing keeps the pattern from being recognised as a scanner's.
    Vocabulary vocabulary;
    vocabulary.pre_patterns = {fmt::format("(?:{})", test.regex)};
    const PreTokenizer by_regex(vocabulary);
    for (const std::string& text : all) {
      std::vector<uint32_t> scanned;
      test.scanner(text, 0, scanned);
      const std::vector<uint32_t> matched = by_regex.split(text);
      ASSERT_EQ(scanned, matched) << test.regex << " on "
                                  << ::testing::PrintToString(text.substr(0, 200));
    }
  }
}

// utf8proc and PCRE2 may know different versions of Unicode; they agree on what both have assigned.
TEST(WordScanner, ClassesEqualThoseOfTheRegexes) {
  static constexpr std::pair<uint8_t, const char*> kClasses[] = {
      {kLetterClass, R"(\p{L}+)"}, {kNumberClass, R"(\p{N}+)"}, {kPunctuationClass, R"(\p{P}+)"},
      {kSymbolClass, R"(\p{S}+)"}, {kMarkClass, R"(\p{M}+)"},   {kSpaceClass, R"(\s+)"},
  };
  // Every character, each between controls, and where each begins.
  std::string text = "\x01";
  std::vector<std::pair<uint32_t, char32_t>> begins;
  for (char32_t code = 2; code < 0x30000; ++code) {
    if (code >= 0xD800 && code < 0xE000) continue;
    begins.emplace_back(static_cast<uint32_t>(text.size()), code);
    append_utf8(code, text);
    text += '\x01';
  }
  const auto matches = [&](const char* pattern) {
    const uint32_t end = static_cast<uint32_t>(text.size());
    std::vector<uint32_t> ends;
    Regex(pattern).split(text, std::span(&end, 1), ends);
    std::vector<bool> matched;  // where a piece begins and is not a control
    size_t piece = 0;
    for (const auto& [begin, code] : begins) {
      while (ends[piece] < begin) ++piece;
      matched.push_back(ends[piece] == begin);
    }
    return matched;
  };
  EXPECT_EQ(character_class(kReplacementCharacter), kSymbolClass);  // as the scanners take strays
  const std::vector<bool> unassigned = matches(R"(\p{Cn})");
  for (const auto& [wanted, pattern] : kClasses) {
    const std::vector<bool> matched = matches(pattern);
    for (size_t i = 0; i < begins.size(); ++i) {
      const uint8_t classes = character_class(begins[i].second);
      if (matched[i] == ((classes & wanted) != 0)) continue;
      EXPECT_TRUE((classes & kUnassignedClass) || unassigned[i])
          << pattern << " U+" << std::hex << static_cast<uint32_t>(begins[i].second);
    }
  }
}

}  // namespace
}  // namespace minim
