#include "model/experts.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <vector>

#include "base/rng.h"
#include "model/testing/sequence.h"
#include "model/testing/tiny_model.h"

namespace minim {
namespace {

using testing::ModelTestContext;
using testing::tiny_config;

class RouteTest : public ::testing::Test {
 protected:
  void prepare(int experts, int used, int64_t rows) {
    config_ = tiny_config("qwen3moe");
    config_.expert_count = experts;
    config_.expert_used_count = used;
    a_ = std::make_unique<Activations>(config_, rows);
  }
  void set(int64_t row, const std::vector<float>& probabilities) {
    std::copy(probabilities.begin(), probabilities.end(), a_->router.row(row));
  }
  void run() { route({*context_, config_, Batch(), *a_}); }

  ModelTestContext context_;
  ModelConfig config_;
  std::unique_ptr<Activations> a_;
};

TEST_F(RouteTest, TheBestAreChosenAndNormed) {
  prepare(4, 2, 2);
  set(0, {0.1f, 0.5f, 0.1f, 0.3f});
  set(1, {0.25f, 0.25f, 0.25f, 0.25f});  // the lower number first among equals
  run();
  EXPECT_EQ(a_->chosen, (std::vector<int32_t>{1, 3, 0, 1}));
  EXPECT_FLOAT_EQ(a_->chosen_weights[0], 0.625f);
  EXPECT_FLOAT_EQ(a_->chosen_weights[1], 0.375f);
  EXPECT_FLOAT_EQ(a_->chosen_weights[2], 0.5f);
  EXPECT_EQ(a_->group_begin, (std::vector<int32_t>{0, 1, 3, 3, 4}));
  EXPECT_EQ(a_->order, (std::vector<int32_t>{2, 0, 3, 1}));
}

TEST_F(RouteTest, WithoutTheNormTheProbabilitiesAreTheWeights) {
  prepare(4, 2, 1);
  config_.expert_weights_norm = false;
  config_.expert_weights_scale = 2.0f;
  set(0, {0.1f, 0.5f, 0.1f, 0.3f});
  run();
  EXPECT_FLOAT_EQ(a_->chosen_weights[0], 1.0f);
  EXPECT_FLOAT_EQ(a_->chosen_weights[1], 0.6f);
}

TEST_F(RouteTest, EveryChoiceIsInTheGroupOfItsExpertOnce) {
  constexpr int kExperts = 9;
  constexpr int kUsed = 4;
  constexpr int64_t kRows = 37;
  prepare(kExperts, kUsed, kRows);
  Rng rng(7);
  for (int64_t row = 0; row < kRows; ++row) {
    std::vector<float> probabilities(kExperts);
    for (float& value : probabilities) value = rng.uniform();
    if (row % 5 == 0) probabilities[2] = std::numeric_limits<float>::quiet_NaN();
    if (row % 7 == 0) {
      std::fill(probabilities.begin(), probabilities.end(),
                std::numeric_limits<float>::quiet_NaN());
    }
    set(row, probabilities);
  }
  run();
  for (int64_t row = 0; row < kRows; ++row) {
    const auto begin = a_->chosen.begin() + row * kUsed;
    EXPECT_EQ(std::set<int32_t>(begin, begin + kUsed).size(), static_cast<size_t>(kUsed));
  }
  std::set<int32_t> seen;
  ASSERT_EQ(a_->group_begin.front(), 0);
  ASSERT_EQ(a_->group_begin.back(), kRows * kUsed);
  for (size_t expert = 0; expert < kExperts; ++expert) {
    for (int32_t i = a_->group_begin[expert]; i < a_->group_begin[expert + 1]; ++i) {
      const int32_t choice = a_->order[static_cast<size_t>(i)];
      EXPECT_EQ(a_->chosen[static_cast<size_t>(choice)], static_cast<int32_t>(expert));
      EXPECT_TRUE(seen.insert(choice).second);
    }
  }
}

}  // namespace
}  // namespace minim
