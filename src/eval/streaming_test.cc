#include "eval/streaming.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "base/error.h"
#include "eval/perplexity.h"
#include "model/testing/sequence.h"
#include "model/testing/tiny_model.h"

namespace minim {
namespace {

class StreamingTest : public ::testing::Test {
 protected:
  std::shared_ptr<const Model> model(int layers) {
    ModelConfig config = testing::tiny_config();
    config.layer_count = layers;
    config.context_length = config.rope.original_context_length = 200;
    return Model::load(*context_, testing::tiny_file(config));
  }

  std::vector<TokenId> tokens(int count) const {
    std::vector<TokenId> ids;
    for (int i = 0; i < count; ++i) ids.push_back((i * i + i / 7) % 48);
    return ids;
  }

  testing::ModelTestContext context_;
};

// By hand: at 128 and at 192 tokens, two of the three blocks after the first are dropped.
TEST_F(StreamingTest, ScoresEveryTokenAfterTheFirstShiftOnce) {
  const auto model = this->model(2);
  const auto text = tokens(200);
  const auto result =
      measure_streaming(*context_, model, text, {.context_tokens = 128, .kv_type = DataType::kF32});
  EXPECT_EQ(result.shift_count, 2);
  EXPECT_EQ(result.token_count, 200 - 128 - 1);
  double sum = 0;
  for (int target = 129; target < 200; ++target) {
    const int shifted_at = target <= 192 ? 128 : 192;
    std::vector<TokenId> window(text.begin(), text.begin() + 32);
    window.insert(window.end(), text.begin() + shifted_at - 32, text.begin() + target + 1);
    sum += token_losses(*context_, model, window, DataType::kF32).back();
  }
  EXPECT_NEAR(std::log(result.reread_perplexity), sum / 71, 1e-4);
  EXPECT_NEAR(result.log_ratio.value,
              std::log(result.shifted_perplexity / result.reread_perplexity), 1e-9);
}

// A single layer knows nothing of other tokens, so that turning its keys loses nothing.
TEST_F(StreamingTest, OfOneLayerBothAreTheSame) {
  const auto result = measure_streaming(*context_, model(1), tokens(500),
                                        {.context_tokens = 100, .kv_type = DataType::kF32});
  EXPECT_NEAR(result.log_ratio.value, 0, 1e-5);
  EXPECT_LT(result.log_ratio.standard_error, 1e-5);
  const auto deep = measure_streaming(*context_, model(2), tokens(500),
                                      {.context_tokens = 100, .kv_type = DataType::kF32});
  EXPECT_GT(deep.log_ratio.standard_error, 1e-5);
}

TEST_F(StreamingTest, WhatMakesNoSenseIsRefused) {
  const auto model = this->model(1);
  EXPECT_THROW(measure_streaming(*context_, model, tokens(129), {.context_tokens = 128}), Error);
  EXPECT_THROW(measure_streaming(*context_, model, tokens(300), {.context_tokens = 40}), Error);
  EXPECT_THROW(measure_streaming(*context_, model, tokens(300),
                                 {.context_tokens = 128, .shift = {.sinks = -1}}),
               Error);
}

}  // namespace
}  // namespace minim
