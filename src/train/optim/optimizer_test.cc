#include "train/optim/optimizer.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "base/rng.h"
#include "model/testing/tiny_model.h"
#include "train/optim/moving_average.h"
#include "train/optim/schedule.h"
#include "train/testing/gradient_check.h"

namespace minim::train {
namespace {

using minim::testing::tiny_config;
using testing::TrainTestContext;

constexpr OptimizerKind kKinds[] = {OptimizerKind::kAdamW, OptimizerKind::kMuon,
                                    OptimizerKind::kAdafactor};

// Draws every value towards 0.5: loss = sum of (value - 0.5)^2 / 2.
void set_gradients(ParameterSet& parameters) {
  for (const ParameterInfo& info : parameters.infos()) {
    for (int64_t i = info.offset; i < info.offset + info.count(); ++i) {
      const auto at = static_cast<size_t>(i);
      parameters.gradients()[at] = parameters.values()[at] - 0.5f;
    }
  }
}

double distance(const ParameterSet& parameters) {
  double sum = 0;
  for (const ParameterInfo& info : parameters.infos()) {
    for (int64_t i = info.offset; i < info.offset + info.count(); ++i) {
      const double apart = parameters.values()[static_cast<size_t>(i)] - 0.5;
      sum += apart * apart;
    }
  }
  return std::sqrt(sum);
}

OptimizerOptions options_of(OptimizerKind kind) {
  OptimizerOptions options;
  options.kind = kind;
  options.learning_rate = 0.02f;
  options.muon_learning_rate = 0.2f;
  options.weight_decay = 0.0f;
  return options;
}

TEST(OptimizerTest, EveryKindDescends) {
  const TrainTestContext context;
  for (const OptimizerKind kind : kKinds) {
    SCOPED_TRACE(static_cast<int>(kind));
    ParameterSet parameters(tiny_config("qwen3moe"), {});
    const auto optimizer = make_optimizer(parameters, options_of(kind));
    const double before = distance(parameters);
    for (int64_t step = 0; step < 100; ++step) {
      set_gradients(parameters);
      optimizer->step(*context, parameters, {step, 1.0f - static_cast<float>(step) / 100.0f});
    }
    EXPECT_LT(distance(parameters), 0.5 * before);
  }
}

TEST(OptimizerTest, TheBitsDoNotDependOnTheThreads) {
  for (const OptimizerKind kind : kKinds) {
    SCOPED_TRACE(static_cast<int>(kind));
    std::vector<std::vector<float>> found;
    for (const int threads : {1, 2, 5}) {
      const TrainTestContext context(threads);
      ParameterSet parameters(tiny_config(), {});
      const auto optimizer = make_optimizer(parameters, options_of(kind));
      for (int64_t step = 0; step < 3; ++step) {
        set_gradients(parameters);
        optimizer->step(*context, parameters, {step, 1.0f, 0.7f});
      }
      found.emplace_back(parameters.values().begin(), parameters.values().end());
      EXPECT_EQ(found.back(), found.front());
    }
  }
}

// The state is all there is: another optimiser that gets it goes on alike.
TEST(OptimizerTest, StateIsWhole) {
  const TrainTestContext context;
  for (const OptimizerKind kind : kKinds) {
    SCOPED_TRACE(static_cast<int>(kind));
    ParameterSet first(tiny_config(), {});
    ParameterSet second(tiny_config(), {});
    const auto one = make_optimizer(first, options_of(kind));
    for (int64_t step = 0; step < 3; ++step) {
      set_gradients(first);
      one->step(*context, first, {step});
    }
    const auto other = make_optimizer(second, options_of(kind));
    std::copy(first.values().begin(), first.values().end(), second.values().begin());
    const auto from = one->state();
    const auto to = other->state();
    ASSERT_EQ(from.size(), to.size());
    for (size_t i = 0; i < from.size(); ++i) {
      EXPECT_EQ(from[i].name, to[i].name);
      ASSERT_EQ(from[i].values.size(), to[i].values.size());
      std::copy(from[i].values.begin(), from[i].values.end(), to[i].values.begin());
    }
    for (ParameterSet* set : {&first, &second}) set_gradients(*set);
    one->step(*context, first, {3});
    other->step(*context, second, {3});
    EXPECT_TRUE(std::ranges::equal(first.values(), second.values()));
  }
}

TEST(OptimizerTest, LowMemoryIsLow) {
  const ParameterSet parameters(tiny_config(), {}, ParameterSet::Memory::kNone);
  const auto bytes = [&](OptimizerKind kind) {
    return optimizer_bytes(parameters, options_of(kind));
  };
  EXPECT_EQ(bytes(OptimizerKind::kAdamW),
            static_cast<size_t>(parameters.parameter_count()) * 2 * sizeof(float));
  EXPECT_LT(bytes(OptimizerKind::kAdafactor), bytes(OptimizerKind::kAdamW) / 10);
  EXPECT_LT(bytes(OptimizerKind::kMuon), bytes(OptimizerKind::kAdamW));
}

TEST(OptimizerTest, MuonMovesAlongAnOrthogonalMatrix) {
  const TrainTestContext context;
  ParameterSet parameters(tiny_config(), {});
  Rng rng(minim::testing::test_seed());
  for (float& gradient : parameters.gradients()) gradient = rng.normal();
  const std::vector<float> before(parameters.values().begin(), parameters.values().end());
  OptimizerOptions options = options_of(OptimizerKind::kMuon);
  const auto optimizer = make_optimizer(parameters, options);
  optimizer->step(*context, parameters, {0});
  const ParameterInfo& info = *parameters.find("blk.0.ffn_up.weight");
  ASSERT_TRUE(is_muon_matrix(info));
  ASSERT_FALSE(is_muon_matrix(*parameters.find("token_embd.weight")));
  // [64, 32]: the columns of the update have equal lengths and stand at right angles, nearly.
  const float size = options.muon_learning_rate * std::sqrt(64.0f / 32.0f);
  const auto moved = [&](int64_t row, int64_t col) {
    const auto at = static_cast<size_t>(info.offset + row * info.cols + col);
    return double{before[at] - parameters.values()[at]} / size;
  };
  for (int64_t a = 0; a < info.cols; ++a) {
    for (int64_t b = a; b < info.cols; ++b) {
      double dot = 0;
      for (int64_t row = 0; row < info.rows; ++row) dot += moved(row, a) * moved(row, b);
      if (a == b) {
        EXPECT_GT(dot, 0.4);
        EXPECT_LT(dot, 1.6);
      } else {
        EXPECT_LT(std::abs(dot), 0.35);
      }
    }
  }
}

TEST(OptimizerTest, OnlyMatricesDecayAndFrozenTensorsStay) {
  const TrainTestContext context;
  for (const OptimizerKind kind : kKinds) {
    SCOPED_TRACE(static_cast<int>(kind));
    ParameterSet parameters(tiny_config(), {});
    const std::vector<std::string> frozen = {"blk.1."};
    parameters.freeze(frozen);
    OptimizerOptions options = options_of(kind);
    options.weight_decay = 0.5f;
    const std::vector<float> before(parameters.values().begin(), parameters.values().end());
    make_optimizer(parameters, options)->step(*context, parameters, {0});
    for (const ParameterInfo& info : parameters.infos()) {
      SCOPED_TRACE(info.spec.name);
      const auto at = static_cast<size_t>(info.offset);
      const bool decayed = parameters.values()[at] != before[at];
      const bool expected = info.spec.kind == TensorKind::kMatrix &&
                            info.spec.name != "token_embd.weight" &&
                            !info.spec.name.starts_with("blk.1.");
      EXPECT_EQ(decayed, expected);
    }
  }
}

TEST(OptimizerTest, NonsenseIsRefused) {
  const ParameterSet parameters(tiny_config(), {});
  OptimizerOptions options;
  options.beta1 = 1.0f;
  EXPECT_THROW(make_optimizer(parameters, options), Error);
  options = {};
  options.learning_rate = NAN;
  EXPECT_THROW(make_optimizer(parameters, options), Error);
}

TEST(ScheduleTest, EveryKind) {
  ScheduleOptions o;
  o.step_count = 100;
  o.warmup_steps = 10;
  o.decay_steps = 20;
  o.final_fraction = 0.1f;
  for (const ScheduleKind kind : {ScheduleKind::kConstant, ScheduleKind::kWarmupStableDecay,
                                  ScheduleKind::kCosine, ScheduleKind::kLinear}) {
    o.kind = kind;
    check_schedule(o);
    EXPECT_FLOAT_EQ(schedule_fraction(o, 0), 0.1f);
    EXPECT_FLOAT_EQ(schedule_fraction(o, 9), 1.0f);
    EXPECT_FLOAT_EQ(schedule_fraction(o, 10), 1.0f);
    const float end = kind == ScheduleKind::kConstant ? 1.0f : 0.1f;
    EXPECT_NEAR(schedule_fraction(o, 100), end, 1e-6);
    EXPECT_NEAR(schedule_fraction(o, 1000), end, 1e-6);
    for (int64_t step = 10; step < 100; ++step) {
      EXPECT_LE(schedule_fraction(o, step + 1), schedule_fraction(o, step));
    }
  }
  o.kind = ScheduleKind::kWarmupStableDecay;
  EXPECT_FLOAT_EQ(schedule_fraction(o, 79), 1.0f);
  EXPECT_NEAR(schedule_fraction(o, 90), 0.55, 1e-6);
  o.kind = ScheduleKind::kCosine;
  EXPECT_NEAR(schedule_fraction(o, 55), 0.55, 1e-6);
}

TEST(ScheduleTest, NonsenseIsRefused) {
  EXPECT_THROW(check_schedule({}), Error);
  EXPECT_THROW(check_schedule({.step_count = 10, .warmup_steps = 11}), Error);
  EXPECT_THROW(check_schedule({.step_count = 10, .warmup_steps = 5, .decay_steps = 6}), Error);
  EXPECT_THROW(check_schedule({.step_count = 10, .final_fraction = 2.0f}), Error);
}

TEST(MovingAverageTest, FollowsAndForgets) {
  const TrainTestContext context;
  const std::vector<float> start = {1.0f, 2.0f};
  MovingAverage average(0.9f, start);
  const std::vector<float> next = {2.0f, 2.0f};
  average.update(*context, next, 0);  // early: kept at most 1 / 10
  EXPECT_FLOAT_EQ(average.values()[0], 1.9f);
  EXPECT_FLOAT_EQ(average.values()[1], 2.0f);
  average.update(*context, start, 100000);
  EXPECT_FLOAT_EQ(average.values()[0], 1.81f);
  MovingAverage none(0.0f, start);
  EXPECT_FALSE(none.enabled());
  none.update(*context, next, 0);
  EXPECT_TRUE(none.values().empty());
  EXPECT_THROW(MovingAverage(1.0f, start), Error);
}

}  // namespace
}  // namespace minim::train
