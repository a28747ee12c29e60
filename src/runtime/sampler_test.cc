#include "runtime/sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>

#include "base/error.h"

namespace minim {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// All truncation off, so that only what a test switches on is at work.
SamplerOptions plain(float temperature = 1.0f) {
  return {.temperature = temperature, .top_k = 0, .top_p = 1.0f, .min_p = 0.0f, .seed = 1};
}

std::map<int32_t, int> histogram(const SamplerOptions& options, std::span<const float> logits,
                                 int draws) {
  Sampler sampler(options);
  std::map<int32_t, int> counts;
  for (int i = 0; i < draws; ++i) ++counts[sampler.sample(logits)];
  return counts;
}

TEST(Sampler, GreedyTakesTheFirstOfEquals) {
  Sampler sampler(plain(0));
  EXPECT_EQ(sampler.sample(std::vector<float>{1, 3, 3, 2}), 1);
  EXPECT_EQ(sampler.sample(std::vector<float>{kNan, -kInfinity, -1, kNan}), 2);
}

TEST(Sampler, DrawsInProportionToProbability) {
  const std::vector<float> logits = {std::log(0.5f), std::log(0.3f), std::log(0.2f)};
  constexpr int kDraws = 100'000;
  const auto counts = histogram(plain(), logits, kDraws);
  // Four standard deviations of a binomial with p = 0.5 are 0.0063.
  EXPECT_NEAR(counts.at(0) / double{kDraws}, 0.5, 0.0064);
  EXPECT_NEAR(counts.at(1) / double{kDraws}, 0.3, 0.0064);
  EXPECT_NEAR(counts.at(2) / double{kDraws}, 0.2, 0.0064);
}

TEST(Sampler, TemperatureSharpens) {
  const std::vector<float> logits = {0.0f, std::log(0.5f)};
  constexpr int kDraws = 100'000;
  // At temperature 1/2 the odds 2:1 become 4:1.
  const auto counts = histogram(plain(0.5f), logits, kDraws);
  EXPECT_NEAR(counts.at(0) / double{kDraws}, 0.8, 0.0064);
}

TEST(Sampler, TopKKeepsTheBest) {
  SamplerOptions options = plain(10.0f);
  options.top_k = 2;
  const auto counts = histogram(options, std::vector<float>{1, 5, 3, 4}, 1000);
  EXPECT_EQ(counts.size(), 2u);
  EXPECT_TRUE(counts.contains(1) && counts.contains(3));
}

TEST(Sampler, TopPKeepsTheSmallestSetThatReachesIt) {
  SamplerOptions options = plain();
  options.top_p = 0.75f;
  const std::vector<float> logits = {std::log(0.5f), std::log(0.3f), std::log(0.2f)};
  const auto counts = histogram(options, logits, 1000);
  EXPECT_EQ(counts.size(), 2u);
  EXPECT_FALSE(counts.contains(2));
}

TEST(Sampler, MinPDropsTheImprobable) {
  SamplerOptions options = plain(5.0f);
  options.min_p = 0.5f;
  const std::vector<float> logits = {std::log(0.5f), std::log(0.3f), std::log(0.2f)};
  const auto counts = histogram(options, logits, 1000);
  EXPECT_EQ(counts.size(), 2u);
  EXPECT_FALSE(counts.contains(2));
}

TEST(Sampler, TheSameSeedGivesTheSameChoices) {
  const std::vector<float> logits(100, 0.0f);
  Sampler first(plain());
  Sampler second(plain());
  SamplerOptions other_options = plain();
  other_options.seed = 2;
  Sampler other(other_options);
  int differences = 0;
  for (int i = 0; i < 100; ++i) {
    const int32_t token = first.sample(logits);
    EXPECT_EQ(token, second.sample(logits));
    if (token != other.sample(logits)) ++differences;
  }
  EXPECT_GT(differences, 50);
}

TEST(Sampler, NeverChoosesWhatIsNotANumber) {
  const std::vector<float> logits = {kNan, 0, kNan, 0, -kInfinity};
  const auto counts = histogram(plain(), logits, 1000);
  EXPECT_EQ(counts.size(), 2u);
  EXPECT_TRUE(counts.contains(1) && counts.contains(3));
  Sampler sampler(plain());
  EXPECT_THROW(sampler.sample(std::vector<float>{kNan, kNan}), Error);
  EXPECT_EQ(sampler.sample(std::vector<float>{0, kInfinity, 0}), 1);
}

TEST(Sampler, RefusesOptionsThatMakeNoSense) {
  for (const float bad : {-1.0f, kNan, kInfinity}) {
    EXPECT_THROW(Sampler({.temperature = bad}), Error);
    EXPECT_THROW(Sampler({.top_p = bad}), Error);
    EXPECT_THROW(Sampler({.min_p = bad}), Error);
  }
  EXPECT_THROW(Sampler({.top_k = -1}), Error);
  EXPECT_THROW(Sampler({.top_p = 0}), Error);
}

}  // namespace
}  // namespace minim
