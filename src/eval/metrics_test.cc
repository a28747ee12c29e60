#include "eval/metrics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "base/error.h"

namespace minim {
namespace {

TEST(Metrics, NamesAreReadBack) {
  for (int i = 0; i <= static_cast<int>(Metric::kBitsPerByte); ++i) {
    const auto metric = static_cast<Metric>(i);
    EXPECT_EQ(parse_metric(metric_name(metric)), metric);
  }
  EXPECT_THROW(parse_metric("accuracie"), Error);
}

TEST(Metrics, AnswersAreNormalized) {
  EXPECT_EQ(normalize_answer("  The  Answer.\n"), "the answer");
  EXPECT_EQ(normalize_answer(""), "");
  EXPECT_TRUE(same_json(R"({"a": 1, "b": [2]})", R"({"b":[2],"a":1})"));
  EXPECT_FALSE(same_json(R"({"a": 1})", R"({"a": "1"})"));
  EXPECT_FALSE(same_json("{", "{"));
  EXPECT_TRUE(same_last_number("3 + 4 is 7.", "7"));
  EXPECT_TRUE(same_last_number("it costs $1,234.50", "1234.5"));
  EXPECT_TRUE(same_last_number("so -3", "-3"));
  EXPECT_FALSE(same_last_number("7 and 8", "7"));
  EXPECT_FALSE(same_last_number("none", "none"));
}

TEST(Metrics, EditSimilarityIsOneMinusTheShareOfEdits) {
  EXPECT_DOUBLE_EQ(edit_similarity("kitten", "sitting"), 1 - 3.0 / 7);
  EXPECT_DOUBLE_EQ(edit_similarity("", "ab"), 0);
  EXPECT_DOUBLE_EQ(edit_similarity("ab", "ab"), 1);
  EXPECT_DOUBLE_EQ(edit_similarity("", ""), 1);
}

// By hand: "the cat sat" against "the cat sat down": 3 of 3 and of 4 words.
TEST(Metrics, WordOverlapsByHand) {
  EXPECT_NEAR(rouge_n("The cat sat.", "the cat sat down", 1), 6.0 / 7, 1e-12);
  EXPECT_NEAR(rouge_n("the cat sat", "the cat sat down", 2), 2 * 2.0 / 5, 1e-12);
  EXPECT_NEAR(rouge_l("sat the cat", "the cat sat down"), 2 * 2.0 / 7, 1e-12);
  EXPECT_DOUBLE_EQ(token_f1("a a b", "a c"), 2 * 1.0 / 5);
  EXPECT_DOUBLE_EQ(token_f1("x", "y"), 0);
}

TEST(Metrics, WordsAndMarksAreApart) {
  EXPECT_EQ(split_words("Hello, it's 1,000.5!"),
            (std::vector<std::string>{"Hello", ",", "it's", "1,000.5", "!"}));
}

// Papineni et al., example 1: "the" seven times against a reference with two.
TEST(Metrics, BleuClipsCounts) {
  const BleuCounts counts = count_bleu("the the the the the the the", "the cat is on the mat");
  EXPECT_EQ(counts.matches[0], 2);
  EXPECT_EQ(counts.totals[0], 7);
  EXPECT_EQ(counts.matches[1], 0);
}

TEST(Metrics, BleuByHand) {
  const char* text = "the quick brown fox jumps";
  EXPECT_NEAR(bleu(count_bleu(text, text)), 100, 1e-9);
  // 4/5, 3/4, 2/3, 1/2 of n-grams, no brevity penalty.
  EXPECT_NEAR(bleu(count_bleu("the quick brown fox runs", text)),
              100 * std::pow(0.8 * 0.75 * (2.0 / 3) * 0.5, 0.25), 1e-9);
  // One word short: all match, and e^(1 - 5/4).
  EXPECT_NEAR(bleu(count_bleu("the quick brown fox", text)), 100 * std::exp(-0.25), 1e-9);
  EXPECT_EQ(bleu(count_bleu("a b", text)), 0);
  BleuCounts all = count_bleu("the quick brown fox", text);
  all.add(count_bleu(text, text));
  EXPECT_NEAR(bleu(all), 100 * std::exp(1 - 10.0 / 9), 1e-9);
}

TEST(Metrics, IntervalsOfShares) {
  // Newcombe (1998), table I: 81 of 263.
  const Interval newcombe = share_interval(81, 263);
  EXPECT_NEAR(newcombe.low, 0.2553, 5e-5);
  EXPECT_NEAR(newcombe.high, 0.3662, 5e-5);
  EXPECT_EQ(share_interval(0, 20).low, 0);
  EXPECT_NEAR(share_interval(0, 20).high, 0.1611, 5e-5);
  EXPECT_EQ(share_interval(20, 20).high, 1);
}

TEST(Metrics, IntervalsOfMeansAndByBootstrapAgree) {
  std::vector<double> values;
  for (int i = 0; i < 400; ++i) values.push_back(i % 2);
  const Interval mean = mean_interval(values);
  EXPECT_DOUBLE_EQ(mean.value, 0.5);
  EXPECT_NEAR(mean.standard_error, 0.025, 1e-4);
  const auto figure = [&](std::span<const size_t> sample) {
    double sum = 0;
    for (const size_t i : sample) sum += values[i];
    return sum / static_cast<double>(sample.size());
  };
  const Interval drawn = bootstrap_interval(values.size(), figure);
  EXPECT_DOUBLE_EQ(drawn.value, 0.5);
  EXPECT_NEAR(drawn.low, mean.low, 0.006);
  EXPECT_NEAR(drawn.high, mean.high, 0.006);
  EXPECT_NEAR(drawn.standard_error, 0.025, 0.003);
  const Interval again = bootstrap_interval(values.size(), figure);
  EXPECT_EQ(again.low, drawn.low);
}

}  // namespace
}  // namespace minim
