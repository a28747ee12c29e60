#include "eval/speed.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/error.h"
#include "model/testing/sequence.h"
#include "model/testing/tiny_file.h"
#include "tests/support/test_data.h"

namespace minim {
namespace {

class SpeedTestTest : public ::testing::Test {
 protected:
  SpeedResult measure(const SpeedTest& test, const SpeedHooks& hooks = {}) const {
    return measure_speed(*context_, tiny_.model, test, hooks);
  }

  testing::TemporaryFolder folder_;
  testing::ModelTestContext context_;
  testing::TinyModel tiny_ = testing::make_tiny_model(*context_, folder_.path() / "tiny.gguf");
};

void expect_rates(const SpeedResult& result, size_t count) {
  ASSERT_EQ(result.rates.size(), count);
  for (const double rate : result.rates) {
    EXPECT_GT(rate, 0);
    EXPECT_TRUE(std::isfinite(rate));
  }
}

TEST(SampleStatistics, AreThoseOfSmallSamples) {
  const double three[] = {3, 1, 2};
  EXPECT_EQ(sample_statistics(three).mean, 2);
  EXPECT_EQ(sample_statistics(three).median, 2);
  EXPECT_EQ(sample_statistics(three).standard_deviation, 1);
  const double four[] = {4, 1, 3, 2};
  EXPECT_EQ(sample_statistics(four).median, 2.5);
  EXPECT_EQ(sample_statistics(four).min, 1);
  EXPECT_EQ(sample_statistics(four).max, 4);
  EXPECT_NEAR(sample_statistics(four).standard_deviation, std::sqrt(5.0 / 3), 1e-12);
  const double one[] = {7};
  EXPECT_EQ(sample_statistics(one).standard_deviation, 0);
}

TEST(SpeedTestName, IsWhatPeersCallIt) {
  EXPECT_EQ(speed_test_name({.prompt_tokens = 512}), "pp512");
  EXPECT_EQ(speed_test_name({.generated_tokens = 128}), "tg128");
  EXPECT_EQ(speed_test_name({.prompt_tokens = 512, .generated_tokens = 128}), "pp512+tg128");
  EXPECT_EQ(speed_test_name({.generated_tokens = 128, .depth = 4096}), "tg128@d4096");
  EXPECT_EQ(speed_test_name({.generated_tokens = 128, .sequence_count = 8}), "tg128 x8");
}

TEST_F(SpeedTestTest, GivesOneRateForEachRepetition) {
  const auto prompt = measure({.prompt_tokens = 7, .repetitions = 2});
  expect_rates(prompt, 2);
  ASSERT_EQ(prompt.first_token_seconds.size(), 2u);
  EXPECT_LE(prompt.first_token_seconds[0], 7 / prompt.rates[0] * 1.001);
  const auto generation = measure({.generated_tokens = 3, .repetitions = 3});
  expect_rates(generation, 3);
  EXPECT_TRUE(generation.first_token_seconds.empty());
  const auto both = measure({.prompt_tokens = 7, .generated_tokens = 30, .repetitions = 1});
  expect_rates(both, 1);
  EXPECT_LT(both.first_token_seconds.at(0), 37 / both.rates[0]);
}

// However prompts are cut into batches, the caches hold every token of every sequence.
TEST_F(SpeedTestTest, CachesHoldTheDepthOfEverySequence) {
  const SpeedTest one = {.generated_tokens = 2, .depth = 40, .batch_tokens = 16, .repetitions = 1};
  SpeedTest several = one;
  several.sequence_count = 3;
  SpeedTest fine = several;
  fine.kv_type = DataType::kF32;
  const auto result = measure(several);
  expect_rates(result, 1);
  EXPECT_GT(result.cache_bytes, 0u);
  EXPECT_EQ(result.cache_bytes, 3 * measure(one).cache_bytes);
  EXPECT_GT(measure(fine).cache_bytes, result.cache_bytes);
  // 41 tokens on average, two layers, keys and values of two heads of 16 in half precision.
  EXPECT_EQ(result.step_bytes, 3 * 41 * 2 * 2 * 2 * 16 * 2);
}

TEST_F(SpeedTestTest, PromptsAreReadBehindTheDepth) {
  const auto near = measure({.prompt_tokens = 20, .repetitions = 1});
  const auto far = measure({.prompt_tokens = 20, .depth = 64, .repetitions = 1});
  expect_rates(far, 1);
  EXPECT_EQ(far.cache_bytes, 3 * near.cache_bytes) << "blocks of 32 tokens";
}

TEST_F(SpeedTestTest, TellsWhatATokenTakes) {
  double processor = 0;
  EnergyMeter meter({.watts_per_core = 2,
                     .root = folder_.path(),
                     .clock = [] { return 0.0; },
                     .processor = [&] { return processor += 5; }});
  const auto result = measure({.generated_tokens = 4, .repetitions = 5}, {.energy = &meter});
  // The meter is read twice, five seconds of processor time apart: 10 J for 20 tokens.
  ASSERT_TRUE(result.joules_per_token);
  EXPECT_DOUBLE_EQ(*result.joules_per_token, 0.5);
  EXPECT_EQ(result.energy_source, EnergySource::kEstimate);
  EXPECT_FALSE(measure({.generated_tokens = 1, .repetitions = 1}).joules_per_token);
}

TEST_F(SpeedTestTest, StopsWhenAskedToAtTheNextToken) {
  int calls = 0;
  const auto stop = [&](const Progress& progress) {
    EXPECT_EQ(progress.stage, "tg100");
    EXPECT_EQ(progress.total, 200u);
    return ++calls < 3;
  };
  try {
    measure({.generated_tokens = 100, .repetitions = 1}, {.progress = stop});
    FAIL() << "was not stopped";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kCancelled);
  }
  EXPECT_EQ(calls, 3);
}

TEST_F(SpeedTestTest, RefusesTestsThatMakeNoSense) {
  const int64_t context = tiny_.model->config().context_length;
  const SpeedTest refused[] = {
      {},
      {.prompt_tokens = -1, .generated_tokens = 5},
      {.generated_tokens = -1},
      {.prompt_tokens = 5, .depth = -1},
      {.prompt_tokens = 5, .sequence_count = 0},
      {.prompt_tokens = 5, .sequence_count = 1025},
      {.prompt_tokens = 5, .batch_tokens = 0},
      {.prompt_tokens = 5, .repetitions = 0},
      {.prompt_tokens = context + 1},
      {.generated_tokens = 2, .depth = context - 1},
      {.prompt_tokens = 1, .depth = std::numeric_limits<int64_t>::max()},
  };
  for (const SpeedTest& test : refused) {
    try {
      measure(test);
      ADD_FAILURE() << "accepted test " << &test - refused;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument) << error.what();
    }
  }
}

}  // namespace
}  // namespace minim
