#include "eval/forecast.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "eval/limits.h"
#include "model/memory.h"
#include "model/presets.h"
#include "model/testing/sequence.h"
#include "model/testing/tiny_file.h"
#include "tests/support/test_data.h"

namespace minim {
namespace {

class ForecastTest : public ::testing::Test {
 protected:
  testing::ModelTestContext context_;
};

TEST_F(ForecastTest, ATokenReadsEveryMatrixOnceAndNoTableThatIsLookedUp) {
  const ModelConfig tied = preset_config("bench-15m");
  const double layer = 2.0 * 288 * 288 + 2.0 * 288 * 288 + 3.0 * 288 * 768;
  EXPECT_EQ(model_shape(tied, DataType::kF16).token_weight_bytes(),
            2 * (6 * layer + 32000.0 * 288));
  const ModelConfig separate = preset_config("nano-tiny");
  const auto all = static_cast<double>(parameter_count(separate));
  const double norms = (2 * 18 + 1) * 2048.0;
  EXPECT_EQ(model_shape(separate, DataType::kF16).token_weight_bytes(),
            2 * (all - norms - 32000.0 * 2048));
}

TEST_F(ForecastTest, AFileHasTheShapeOfItsConfig) {
  testing::TemporaryFolder folder;
  const auto tiny = testing::make_tiny_model(*context_, folder.path() / "tiny.gguf");
  const ModelShape shape = model_shape(tiny.model->file());
  EXPECT_EQ(shape.config.dim, tiny.model->config().dim);
  EXPECT_GT(shape.token_weight_bytes(), 0);
  EXPECT_LE(shape.token_weight_bytes(), static_cast<double>(tiny.model->weight_bytes()) * 1.01);
}

TEST_F(ForecastTest, SpeedsAreNumbersAndDepthAddsTheCache) {
  const ModelShape shape = model_shape(preset_config("bench-15m"), DataType::kQ4_0);
  const Forecast near =
      forecast_speed(*context_, shape, {.prompt_tokens = 4, .reading_seconds = 0.001});
  EXPECT_TRUE(std::isfinite(near.generation_tokens_per_second));
  EXPECT_GT(near.generation_tokens_per_second, 0);
  EXPECT_GT(near.prompt_tokens_per_second, 0);
  EXPECT_EQ(near.token_bytes, shape.token_weight_bytes());
  const Forecast far =
      forecast_speed(*context_, shape, {.depth = 64, .prompt_tokens = 4, .reading_seconds = 0.001});
  EXPECT_EQ(far.token_bytes, near.token_bytes + 64 * 2.0 * 6 * 6 * 48 * 2);
}

// What is left out by far the most is still told: a small sample of a model of many layers.
TEST_F(ForecastTest, FewLayersTellOfAll) {
  ModelConfig config = preset_config("bench-15m");
  const auto speed = [&](int layers) {
    config.layer_count = layers;
    const ForecastOptions options = {.prompt_tokens = 16,
                                     .sample_bytes_max = 1 << 20,
                                     .prompt_weights_max = 1e6,
                                     .reading_seconds = 0.002};
    return forecast_speed(*context_, model_shape(config, DataType::kQ4_0), options);
  };
  const Forecast few = speed(4);
  const Forecast many = speed(200);
  EXPECT_LT(many.generation_tokens_per_second, few.generation_tokens_per_second / 3);
  EXPECT_LT(many.prompt_tokens_per_second, few.prompt_tokens_per_second / 3);
}

TEST_F(ForecastTest, RefusesWhatTheModelCannotHold) {
  const ModelShape shape = model_shape(preset_config("bench-15m"), DataType::kQ4_0);
  for (const ForecastOptions& options :
       {ForecastOptions{.depth = -1}, ForecastOptions{.generated_tokens = 0},
        ForecastOptions{.depth = 32768}, ForecastOptions{.prompt_tokens = 0},
        ForecastOptions{.prompt_tokens = 5000}}) {
    EXPECT_THROW(forecast_speed(*context_, shape, options), Error);
  }
}

TEST_F(ForecastTest, LimitsAreRates) {
  const Limits limits = LimitsProbe(*context_, true).read();
  for (const double rate : {limits.bytes_per_second, limits.int8_operations,
                            limits.float_operations, limits.bfloat16_operations}) {
    EXPECT_TRUE(std::isfinite(rate));
    EXPECT_GT(rate, 0);
  }
}

}  // namespace
}  // namespace minim
