#include "text/pre_tokenizer.h"

#include <gtest/gtest.h>

#include <chrono>

#include "base/error.h"
#include "base/rng.h"

namespace minim {
namespace {

std::vector<std::string> cut(const Vocabulary& vocabulary, std::string_view text) {
  std::vector<std::string> words;
  uint32_t begin = 0;
  for (const uint32_t end : PreTokenizer(vocabulary).split(text)) {
    words.emplace_back(text.substr(begin, end - begin));
    begin = end;
  }
  EXPECT_EQ(begin, text.size());
  return words;
}

std::vector<std::string> cut(const char* name, std::string_view text) {
  Vocabulary vocabulary;
  vocabulary.pre_tokenizer = name;
  return cut(vocabulary, text);
}

std::vector<std::string> cut_by(std::vector<std::string> patterns, std::string_view text) {
  Vocabulary vocabulary;
  vocabulary.pre_patterns = std::move(patterns);
  return cut(vocabulary, text);
}

using Words = std::vector<std::string>;

// The expected words are what each model's own tokenizer.json gives.
TEST(PreTokenizer, CutsAsTheModelsDo) {
  EXPECT_EQ(cut("gpt-2", "Don't  wait 123 a!"),
            (Words{"Don", "'t", " ", " wait", " 123", " a", "!"}));
  EXPECT_EQ(cut("llama-bpe", "DON'T 12345\n\n x"),
            (Words{"DON", "'T", " ", "123", "45", "\n\n", " x"}));
  EXPECT_EQ(cut("qwen2", "ab 123\r\n.x"), (Words{"ab", " ", "1", "2", "3", "\r\n", ".x"}));
  EXPECT_EQ(cut("starcoder", "x12 y"), (Words{"x", "1", "2", " y"}));
  EXPECT_EQ(cut("falcon", "a12345, $x"), (Words{"a", "123", "45", ",", " ", "$", "x"}));
  EXPECT_EQ(cut("default", "a12345 (b)"), (Words{"a", "123", "45", " ", "(", "b", ")"}));
  EXPECT_EQ(cut("deepseek-coder", "if (x1)\n"), (Words{"if", " (", "x", "1", ")", "\n"}));
  EXPECT_EQ(cut("deepseek-v3", "12345 日本ゴ go"), (Words{"123", "45", " ", "日本ゴ", " go"}));
  EXPECT_EQ(cut("deepseek-llm", "a b  12  "), (Words{"a", " b", "  ", "12", "  "}));
  EXPECT_EQ(cut("tekken", "HelloWorld 12"), (Words{"Hello", "World", " ", "1", "2"}));
  EXPECT_EQ(cut("gpt-4o", "I'll HelloWorld1234"), (Words{"I'll", " Hello", "World", "123", "4"}));
  EXPECT_EQ(cut("bloom", "a b, c."), (Words{"a", " b", ",", " c", "."}));
  EXPECT_EQ(cut("viking", "a 12"), (Words{"a", " ", "1", "2"}));
  EXPECT_EQ(cut("chameleon", "a IMGIMGAZ\tb1."),
            (Words{"a", " ", "IMGIMGAZ", "\t", "b", "1", "."}));
  EXPECT_EQ(cut("none", "a b  c"), (Words{"a b  c"}));
}

TEST(PreTokenizer, KnowsTheNamesOfPublishedFiles) {
  for (const char* name : {"default",
                           "gpt-2",
                           "llama-bpe",
                           "llama3",
                           "llama-v3",
                           "qwen2",
                           "deepseek-llm",
                           "deepseek-coder",
                           "deepseek-v3",
                           "falcon",
                           "falcon3",
                           "gpt-neox",
                           "olmo",
                           "dbrx",
                           "smaug-bpe",
                           "starcoder",
                           "refact",
                           "command-r",
                           "mpt",
                           "jina-v1-en",
                           "jina-v2-es",
                           "jina-v2-de",
                           "jina-v2-code",
                           "phi-2",
                           "smollm",
                           "stablelm2",
                           "bloom",
                           "gpt-4o",
                           "tekken",
                           "chameleon",
                           "minerva-7b",
                           "exaone",
                           "codeshell",
                           "poro-chat",
                           "viking",
                           "chatglm-bpe",
                           "megrez",
                           "gpt3-finnish",
                           "roberta-bpe",
                           "gigachat",
                           "deepseek-r1-qwen",
                           "jais"}) {
    EXPECT_TRUE(pre_tokenizer_facts(name).known) << name;
  }
  EXPECT_TRUE(pre_tokenizer_facts("llama-bpe").ignore_merges);
  EXPECT_FALSE(pre_tokenizer_facts("gpt-2").ignore_merges);
  EXPECT_FALSE(pre_tokenizer_facts("gpt").known);
  const auto names = pre_tokenizer_names();
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
}

// The patterns by PCRE2 alone give what the scanners give, for every name.
TEST(PreTokenizer, NamesEqualTheirPatterns) {
  const std::string text =
      "It's 12,345.67 o'clock;\n\n  'TIS  (not)  日本語 ghijk\t\r\n !?  \xFF\xC3 ſ 'ſ x\xC2\xA0 ½ ";
  for (const std::string_view name : pre_tokenizer_names()) {
    const auto patterns = pre_tokenizer_patterns(name);
    if (patterns.empty()) continue;
    // A group that changes nothing keeps the pattern from being recognised as a scanner's.
    std::vector<std::string> wrapped;
    for (const std::string& pattern : patterns) wrapped.push_back("(?:" + pattern + ")");
    EXPECT_EQ(cut(std::string(name).c_str(), text), cut_by(wrapped, text)) << name;
  }
}

TEST(PreTokenizer, RefusesWhatItDoesNotKnow) {
  try {
    cut("gpt-17", "x");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
    EXPECT_NE(std::string(error.what()).find("'gpt-17'"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("gpt-2"), std::string::npos) << error.what();
  }
  try {
    cut("", "x");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kFormat);
  }
  for (const char* pattern : {"(", "[z-a]", "\\p{Nonsense}", "a\\Cb", "(?<n>a)(?<n>b)"}) {
    EXPECT_THROW(cut_by({pattern}, "x"), Error) << pattern;
  }
}

TEST(PreTokenizer, HostilePatternsEnd) {
  const std::string letters(200'000, 'a'), spaces(200'000, ' ');
  for (const char* pattern :
       {"(a+)+b", "(a|a)*b", "(a|aa)+$b", "(?=(a+)+b)a", "a*a*a*a*a*b", "(?:a(?=.*z))+", "(?R)a",
        "(a?){500}a{500}", "(?=.*+z)a", "a(?=a*+)"}) {
    const auto start = std::chrono::steady_clock::now();
    try {
      cut_by({pattern}, letters);
    } catch (const Error& error) {
      EXPECT_TRUE(error.code() == ErrorCode::kLimit || error.code() == ErrorCode::kFormat)
          << pattern << ": " << error.what();
    }
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
    EXPECT_LT(elapsed.count(), 60) << pattern;
  }
  EXPECT_THROW(cut_by({"(?:a+)+[bc]"}, letters), Error);
  EXPECT_NO_THROW(cut_by({R"(\s+(?!\S)|\s+)"}, spaces.substr(0, 60'000) + "x"));
  EXPECT_NO_THROW(cut_by(pre_tokenizer_patterns("tekken"), letters + spaces + "x"));
}

}  // namespace
}  // namespace minim
