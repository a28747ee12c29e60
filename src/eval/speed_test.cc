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

class SpeedTest : public ::testing::Test {
 protected:
  SpeedResult measure(const SpeedOptions& options, const ProgressSink& progress = {}) const {
    return measure_speed(*context_, tiny_.model, options, progress);
  }

  testing::TemporaryFolder folder_;
  testing::ModelTestContext context_;
  testing::TinyModel tiny_ = testing::make_tiny_model(*context_, folder_.path() / "tiny.gguf");
};

void expect_rates(const SpeedSamples& samples, size_t count) {
  ASSERT_EQ(samples.rates.size(), count);
  for (const double rate : samples.rates) {
    EXPECT_GT(rate, 0);
    EXPECT_TRUE(std::isfinite(rate));
  }
  EXPECT_LE(samples.min(), samples.median());
  EXPECT_LE(samples.median(), samples.max());
}

TEST(SpeedSamplesTest, TheMedianIsTheMiddleOrTheMeanOfTwo) {
  EXPECT_EQ((SpeedSamples{{3, 1, 2}}).median(), 2);
  EXPECT_EQ((SpeedSamples{{4, 1, 3, 2}}).median(), 2.5);
  EXPECT_EQ((SpeedSamples{{4, 1, 3, 2}}).min(), 1);
  EXPECT_EQ((SpeedSamples{{4, 1, 3, 2}}).max(), 4);
}

TEST_F(SpeedTest, GivesOneRateForEachRepetition) {
  const auto result = measure({.prompt_tokens = 7, .generated_tokens = 3, .repetitions = 2});
  expect_rates(result.prompt, 2);
  expect_rates(result.generation, 2);
  EXPECT_EQ(result.weight_bytes, tiny_.model->weight_bytes());
}

TEST_F(SpeedTest, MeasuresOnlyWhatIsAskedFor) {
  const auto prompt = measure({.prompt_tokens = 5, .generated_tokens = 0, .repetitions = 1});
  expect_rates(prompt.prompt, 1);
  EXPECT_TRUE(prompt.generation.rates.empty());
  const auto generation = measure({.prompt_tokens = 0, .generated_tokens = 2, .repetitions = 1});
  EXPECT_TRUE(generation.prompt.rates.empty());
  expect_rates(generation.generation, 1);
}

// However prompts are cut into batches, the caches hold every token of every sequence.
TEST_F(SpeedTest, CachesHoldTheDepthOfEverySequence) {
  const SpeedOptions one = {
      .prompt_tokens = 0, .generated_tokens = 2, .depth = 40, .batch_tokens = 16, .repetitions = 1};
  SpeedOptions several = one;
  several.sequence_count = 3;
  SpeedOptions fine = several;
  fine.kv_type = DataType::kF32;
  const auto result = measure(several);
  expect_rates(result.generation, 1);
  EXPECT_GT(result.cache_bytes, 0u);
  EXPECT_EQ(result.cache_bytes, 3 * measure(one).cache_bytes);
  EXPECT_GT(measure(fine).cache_bytes, result.cache_bytes);
}

TEST_F(SpeedTest, StopsWhenAskedTo) {
  const auto stop = [](const Progress&) { return false; };
  try {
    measure({.prompt_tokens = 0, .generated_tokens = 1, .repetitions = 1}, stop);
    FAIL() << "was not stopped";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kCancelled);
  }
}

TEST_F(SpeedTest, RefusesOptionsThatMakeNoSense) {
  const int64_t context = tiny_.model->config().context_length;
  const SpeedOptions refused[] = {
      {.prompt_tokens = 0, .generated_tokens = 0},
      {.prompt_tokens = -1},
      {.generated_tokens = -1},
      {.depth = -1},
      {.sequence_count = 0},
      {.sequence_count = 1025},
      {.batch_tokens = 0},
      {.repetitions = 0},
      {.prompt_tokens = context + 1, .generated_tokens = 0},
      {.prompt_tokens = 0, .generated_tokens = 2, .depth = context - 1},
      {.prompt_tokens = 1, .depth = std::numeric_limits<int64_t>::max()},
  };
  for (const SpeedOptions& options : refused) {
    try {
      measure(options);
      ADD_FAILURE() << "accepted option set " << &options - refused;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument) << error.what();
    }
  }
}

}  // namespace
}  // namespace minim
