#include "eval/perplexity.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "model/testing/sequence.h"
#include "model/testing/tiny_file.h"
#include "tests/support/test_data.h"

namespace minim {
namespace {

const PerplexityOptions kOptions = {.context_tokens = 32, .kv_type = DataType::kF32};

class PerplexityTest : public ::testing::Test {
 protected:
  std::vector<TokenId> tokens(int count, int factor = 37) const {
    std::vector<TokenId> ids;
    for (int i = 0; i < count; ++i) ids.push_back(3 + (i * factor) % 390);
    return ids;
  }

  PerplexityResult measure(const testing::TinyModel& tiny, std::span<const TokenId> ids,
                           const PerplexityOptions& options) const {
    return measure_perplexity(*context_, tiny.model, *tiny.tokenizer, ids, options);
  }

  testing::TemporaryFolder folder_;
  testing::ModelTestContext context_;
  testing::TinyModel tiny_ = testing::make_tiny_model(*context_, folder_.path() / "tiny.gguf");
};

TEST_F(PerplexityTest, IsTheExponentialOfTheMeanLoss) {
  // By hand: the second half of each of three windows that begin with BOS; a remainder is left out.
  const auto ids = tokens(3 * 32 + 11);
  double sum = 0;
  double squares = 0;
  int count = 0;
  for (int window = 0; window < 3; ++window) {
    std::vector<TokenId> part(ids.begin() + window * 32, ids.begin() + (window + 1) * 32);
    part[0] = *tiny_.tokenizer->vocabulary().bos;
    const auto losses = token_losses(*context_, tiny_.model, part, DataType::kF32);
    ASSERT_EQ(losses.size(), 31u);
    for (size_t i = 16; i < losses.size(); ++i) {
      sum += losses[i];
      squares += losses[i] * losses[i];
      ++count;
    }
  }
  const double mean = sum / count;
  const double deviation = std::sqrt((squares / count - mean * mean) / (count - 1));
  const auto result = measure(tiny_, ids, kOptions);
  EXPECT_EQ(result.token_count, count);
  EXPECT_EQ(result.window_count, 3);
  EXPECT_NEAR(result.perplexity, std::exp(mean), 1e-3);
  EXPECT_NEAR(result.standard_error, std::exp(mean) * deviation, 1e-3);
  EXPECT_FALSE(result.divergence);
}

TEST_F(PerplexityTest, AModelDoesNotDivergeFromItself) {
  const auto ids = tokens(100);
  PerplexityOptions options = kOptions;
  options.save_base = folder_.path() / "base.lp";
  measure(tiny_, ids, options);
  options.save_base.clear();
  options.compare_base = folder_.path() / "base.lp";
  const auto divergence = measure(tiny_, ids, options).divergence;
  ASSERT_TRUE(divergence);
  EXPECT_LT(divergence->kld_max, 2e-4);  // what 16 bits a value cost
  EXPECT_NEAR(divergence->log_ratio.value, 0, 2e-4);
}

TEST_F(PerplexityTest, FewerBitsDivergeMore) {
  const auto ids = tokens(3 * 32);
  PerplexityOptions options = kOptions;
  options.save_base = folder_.path() / "base.lp";
  const auto base = measure(tiny_, ids, options);
  options.save_base.clear();
  options.compare_base = folder_.path() / "base.lp";
  double previous = 0;
  for (const DataType type : {DataType::kF16, DataType::kQ8_0, DataType::kQ4_0}) {
    const auto other =
        testing::make_tiny_model(*context_, folder_.path() / data_type_info(type).name, type);
    const auto result = measure(other, ids, options);
    ASSERT_TRUE(result.divergence);
    EXPECT_GT(result.divergence->kld.value, previous) << data_type_info(type).name;
    EXPECT_GE(result.divergence->kld_max, result.divergence->kld_p99_9);
    EXPECT_GE(result.divergence->kld_p99_9, result.divergence->kld_median);
    EXPECT_NEAR(result.divergence->base_perplexity, base.perplexity, 0.02);
    EXPECT_NEAR(result.divergence->log_ratio.value, std::log(result.perplexity / base.perplexity),
                1e-3);
    previous = result.divergence->kld.value;
  }
}

TEST_F(PerplexityTest, StoredPredictionsOfAnotherTextAreRefused) {
  PerplexityOptions options = kOptions;
  options.save_base = folder_.path() / "base.lp";
  measure(tiny_, tokens(100), options);
  options.save_base.clear();
  options.compare_base = folder_.path() / "base.lp";
  EXPECT_THROW(measure(tiny_, tokens(100, 41), options), Error);
  EXPECT_THROW(measure(tiny_, tokens(64), options), Error);
  options.context_tokens = 16;
  EXPECT_THROW(measure(tiny_, tokens(100), options), Error);
}

TEST_F(PerplexityTest, TextsAndWindowsThatMakeNoSenseAreRefused) {
  EXPECT_THROW(measure(tiny_, tokens(31), kOptions), Error);
  EXPECT_THROW(measure(tiny_, tokens(500), {.context_tokens = 129}), Error);
  EXPECT_THROW(measure(tiny_, tokens(500), {.context_tokens = 3}), Error);
  PerplexityOptions few = kOptions;
  few.window_count_max = 2;
  EXPECT_EQ(measure(tiny_, tokens(500), few).window_count, 2);
}

}  // namespace
}  // namespace minim
