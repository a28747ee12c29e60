#include "train/trainer.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "model/testing/tiny_model.h"
#include "tests/support/test_data.h"
#include "train/testing/gradient_check.h"
#include "train/testing/memory_source.h"

namespace minim::train {
namespace {

using minim::testing::TemporaryFolder;
using minim::testing::tiny_config;
using testing::CountingSource;
using testing::TrainTestContext;

constexpr int64_t kRowTokens = 16;

TrainerOptions toy_options(int64_t steps) {
  TrainerOptions options;
  options.batch_rows = 4;
  options.schedule = {ScheduleKind::kWarmupStableDecay, steps, std::min<int64_t>(3, steps / 2),
                      steps / 4, 0.0f};
  options.optimizer.kind = OptimizerKind::kMuon;
  options.optimizer.learning_rate = 1e-2f;
  options.average_decay = 0.9f;
  options.held_out_steps = 0;
  return options;
}

struct Toy {
  explicit Toy(const Context& run_context, const GraphOptions& graph = {},
               const std::string& architecture = "qwen3")
      : context(run_context),
        model(run_context, tiny_config(architecture), {}, {}, graph),
        source(kRowTokens, 48),
        held_out(kRowTokens, 48, 77) {}

  Trainer trainer(const TrainerOptions& options) {
    return Trainer(context, model, source, &held_out, loss, options);
  }

  const Context& context;
  TrainModel model;
  CountingSource source;
  CountingSource held_out;
  NextTokenLoss loss{1e-4f};
};

TEST(TrainerTest, EveryArchitectureLearnsToCount) {
  const TrainTestContext context;
  for (const Architecture* architecture : architectures()) {
    SCOPED_TRACE(architecture->name);
    Toy toy(*context, {.balance_weight = 0.01f}, architecture->name);
    TrainerOptions options = toy_options(80);
    options.batch_rows = 8;
    Trainer trainer = toy.trainer(options);
    const double before = trainer.held_out_loss(toy.model.parameters().values());
    EXPECT_NEAR(before, std::log(48.0), 0.3);
    EXPECT_EQ(trainer.run(), RunEnd::kDone);
    const double after = trainer.held_out_loss(toy.model.parameters().values());
    // The step is unknown at the first prediction; after it everything is.
    EXPECT_LT(after, 1.5) << "from " << before;
    EXPECT_LT(trainer.held_out_loss(trainer.average()), before);
  }
}

TEST(TrainerTest, TheBitsDependOnNothingButTheOptions) {
  std::vector<std::vector<float>> found;
  for (const int threads : {1, 2, 5}) {
    const TrainTestContext context(threads);
    Toy toy(*context, {.dropout = 0.1f});
    Trainer trainer = toy.trainer(toy_options(8));
    trainer.run();
    const auto values = toy.model.parameters().values();
    found.emplace_back(values.begin(), values.end());
    EXPECT_EQ(found.back(), found.front()) << threads;
  }
}

TEST(TrainerTest, PartsOfABatchSumToTheWhole) {
  const TrainTestContext context;
  std::vector<std::vector<double>> losses;
  for (const int64_t micro_rows : {0, 1, 3}) {
    Toy toy(*context);
    TrainerOptions options = toy_options(6);
    options.micro_rows = micro_rows;
    Trainer trainer = toy.trainer(options);
    losses.emplace_back();
    trainer.run({.step = [&](const StepStatistics& s) {
      losses.back().push_back(s.loss);
      return true;
    }});
    for (size_t i = 0; i < losses.back().size(); ++i) {
      EXPECT_NEAR(losses.back()[i], losses.front()[i], 1e-4);
    }
  }
}

TEST(TrainerTest, StatisticsAndEvents) {
  const TrainTestContext context;
  Toy toy(*context);
  TrainerOptions options = toy_options(7);
  options.held_out_steps = 3;
  Trainer trainer = toy.trainer(options);
  std::vector<StepStatistics> steps;
  std::vector<HeldOutLoss> looks;
  trainer.run({.step =
                   [&](const StepStatistics& s) {
                     steps.push_back(s);
                     return true;
                   },
               .held_out = [&](const HeldOutLoss& look) { looks.push_back(look); }});
  ASSERT_EQ(steps.size(), 7u);
  EXPECT_EQ(steps[0].step, 1);
  EXPECT_EQ(steps[6].tokens, 7u * 4 * kRowTokens);
  EXPECT_EQ(steps[6].batch_tokens, 4 * kRowTokens);
  EXPECT_GT(steps[6].gradient_norm, 0.0);
  EXPECT_GT(steps[6].seconds, 0.0);
  EXPECT_GE(steps[0].loss, steps[0].cross_entropy);  // the z-loss is part of it
  // 3 passes of 2 operations a weight, and attention within documents of 8 tokens.
  const double weights = forward_flops_per_token(toy.model.config(), toy.model.parameters());
  const double attention = 4.0 * (4 * 2 * 36) * 32 * 2 / (4 * kRowTokens);
  EXPECT_NEAR(steps[0].flops, 3 * (weights + attention) * 4 * kRowTokens, 1.0);
  ASSERT_EQ(looks.size(), 3u);  // after 3, 6 and the last
  EXPECT_EQ(looks[2].step, 7);
  EXPECT_TRUE(looks[2].average_loss.has_value());
}

// A loss that breaks at some steps of the run.
class BreakingLoss final : public StepLoss {
 public:
  BreakingLoss(const int64_t& step, int64_t begin, int64_t end, float factor)
      : step_(step), begin_(begin), end_(end), factor_(factor) {}

  HeadLoss forward(Tape& tape, const TrainModel& student, const StepPart& part) override {
    StepPart broken = part;
    if (step_ >= begin_ && step_ < end_) broken.gradient_scale *= factor_;
    NextTokenLoss loss(0.0f);
    return loss.forward(tape, student, broken);
  }

 private:
  const int64_t& step_;
  int64_t begin_;
  int64_t end_;
  float factor_;
};

TEST(TrainerTest, BadStepsAreSkippedAndCounted) {
  const TrainTestContext context;
  for (const float factor : {1000.0f, INFINITY}) {
    Toy toy(*context);
    int64_t step = 0;
    BreakingLoss loss(step, 30, 32, factor);
    Trainer trainer(*context, toy.model, toy.source, nullptr, loss, toy_options(40));
    std::vector<StepVerdict> verdicts;
    trainer.run({.step = [&](const StepStatistics& s) {
      step = s.step;
      verdicts.push_back(s.verdict);
      return true;
    }});
    EXPECT_EQ(trainer.guard().skipped, 2);
    EXPECT_EQ(trainer.guard().rollbacks, 0);
    const auto bad = std::isinf(factor) ? StepVerdict::kSkipNotFinite : StepVerdict::kSkipSpike;
    for (size_t i = 0; i < verdicts.size(); ++i) {
      EXPECT_EQ(verdicts[i], i == 30 || i == 31 ? bad : StepVerdict::kTake) << i;
    }
    for (const float value : toy.model.parameters().values()) ASSERT_TRUE(std::isfinite(value));
  }
}

TEST(TrainerTest, TooManyBadStepsGoBackToTheLastCheckpoint) {
  const TrainTestContext context;
  const TemporaryFolder folder;
  Toy toy(*context);
  int64_t step = 0;
  BreakingLoss loss(step, 10, 14, NAN);
  TrainerOptions options = toy_options(20);
  options.checkpoint_folder = folder.path();
  options.checkpoint_steps = 8;
  options.guard.bad_steps_max = 4;
  std::vector<float> saved;
  bool checked = false;
  Trainer trainer(*context, toy.model, toy.source, nullptr, loss, options);
  trainer.run({.step =
                   [&](const StepStatistics& s) {
                     step = s.step;
                     if (s.rolled_back) {
                       EXPECT_EQ(s.step, 14);
                       EXPECT_TRUE(std::ranges::equal(toy.model.parameters().values(), saved));
                       checked = true;
                     }
                     return true;
                   },
               .saved =
                   [&](int64_t at) {
                     const auto values = toy.model.parameters().values();
                     if (at == 8) saved.assign(values.begin(), values.end());
                   }});
  EXPECT_TRUE(checked);
  EXPECT_EQ(trainer.guard().rollbacks, 1);
  EXPECT_EQ(trainer.step(), 20);
}

TEST(TrainerTest, ARunThatOnlyFailsEnds) {
  const TrainTestContext context;
  Toy toy(*context);
  const int64_t step = 0;
  BreakingLoss loss(step, 0, 1, NAN);
  TrainerOptions options = toy_options(100);
  options.guard.bad_steps_max = 3;
  {
    Trainer trainer(*context, toy.model, toy.source, nullptr, loss, options);
    EXPECT_THROW(trainer.run(), Error);  // no checkpoint to go back to
    EXPECT_EQ(trainer.step(), 3);
  }
  const TemporaryFolder folder;
  options.checkpoint_folder = folder.path();
  options.guard.rollbacks_max = 2;
  Trainer trainer(*context, toy.model, toy.source, nullptr, loss, options);
  EXPECT_THROW(trainer.run(), Error);
  EXPECT_EQ(trainer.step(), 9);
}

TEST(TrainerTest, ARunWhoseRateStaysMayBecomeLonger) {
  const TrainTestContext context;
  const auto run = [&](const Path& folder, int64_t steps, int64_t stop) {
    Toy toy(*context);
    TrainerOptions options = toy_options(steps);
    options.schedule.warmup_steps = 3;
    options.checkpoint_folder = folder;
    Trainer trainer = toy.trainer(options);
    trainer.resume();
    trainer.run({.step = [&](const StepStatistics& s) { return s.step < stop; }});
    const auto values = toy.model.parameters().values();
    return std::vector<float>(values.begin(), values.end());
  };
  const TemporaryFolder whole, grown, shrunk, falling;
  const auto expected = run(whole.path(), 20, 100);
  run(grown.path(), 12, 9);  // the rate falls after step 9 of 12, and after step 15 of 20
  EXPECT_EQ(run(grown.path(), 20, 100), expected);
  run(shrunk.path(), 40, 15);
  EXPECT_EQ(run(shrunk.path(), 20, 100), expected);
  run(falling.path(), 12, 10);
  EXPECT_THROW(run(falling.path(), 20, 100), Error);
  EXPECT_THROW(run(whole.path(), 40, 100), Error);
}

TEST(TrainerTest, WhatMakesNoSenseIsRefused) {
  const TrainTestContext context;
  Toy toy(*context);
  const auto refuse = [&](auto change) {
    TrainerOptions options = toy_options(10);
    change(options);
    EXPECT_THROW(toy.trainer(options), Error);
  };
  refuse([](TrainerOptions& o) { o.batch_rows = 0; });
  refuse([](TrainerOptions& o) { o.micro_rows = 5; });
  refuse([](TrainerOptions& o) { o.schedule.step_count = 0; });
  refuse([](TrainerOptions& o) { o.checkpoint_steps = 0; });
  refuse([](TrainerOptions& o) { o.guard.spike = 0.5f; });
  refuse([](TrainerOptions& o) { o.average_decay = 1.0f; });
  const CountingSource few(kRowTokens, 48, 1, 39);
  EXPECT_THROW(Trainer(*context, toy.model, few, nullptr, toy.loss, toy_options(10)), Error);
  const CountingSource none(kRowTokens, 48, 1, 0);
  EXPECT_THROW(Trainer(*context, toy.model, toy.source, &none, toy.loss, toy_options(10)), Error);
  if (!has_bfloat16_gemm(*context)) {
    refuse([](TrainerOptions& o) { o.precision = GemmPrecision::kBfloat16; });
  }
  TrainModel other(*context, tiny_config("gpt2"), {}, {});
  const CountingSource long_rows(128, 48);
  EXPECT_THROW(Trainer(*context, other, long_rows, nullptr, toy.loss, toy_options(10)), Error);
  ModelConfig config = tiny_config();
  config.vocabulary_size = 50;
  const TrainModel teacher(*context, config, {}, {});
  EXPECT_THROW(LiveTeacherLoss(toy.model, teacher, {}), Error);
}

TEST(TrainerTest, AStudentFollowsALiveTeacher) {
  const TrainTestContext context;
  Toy teacher(*context);
  TrainerOptions options = toy_options(100);
  options.batch_rows = 8;
  teacher.trainer(options).run();
  Toy student(*context, {}, "llama");
  TeacherOptions teaching;
  teaching.distill.hard_weight = 0.2f;
  teaching.layers = {{0, 0}, {1, 1}};
  teaching.hidden_weight = 0.1f;
  LiveTeacherLoss loss(student.model, teacher.model, teaching);
  Trainer trainer(*context, student.model, student.source, &student.held_out, loss, options);
  trainer.run();
  EXPECT_LT(trainer.held_out_loss(student.model.parameters().values()), 1.5);
}

TEST(TrainerTest, AStudentStartsAsLayersOfItsTeacher) {
  const TrainTestContext context;
  ModelConfig deep = tiny_config("qwen3");
  deep.layer_count = 5;
  TrainModel teacher(*context, deep, {}, {.seed = 3});
  Toy student(*context);
  const std::vector<int> layers = {1, 4};
  start_from_layers(student.model, teacher, layers);
  const auto same = [&](const char* name, const char* teachers) {
    const Parameter a = student.model.parameters().require(name);
    const Parameter b = teacher.parameters().require(teachers);
    return std::equal(a.values, a.values + a.count(), b.values);
  };
  EXPECT_TRUE(same("blk.0.ffn_up.weight", "blk.1.ffn_up.weight"));
  EXPECT_TRUE(same("blk.1.attn_q.weight", "blk.4.attn_q.weight"));
  EXPECT_TRUE(same("token_embd.weight", "token_embd.weight"));
  EXPECT_FALSE(same("blk.0.ffn_up.weight", "blk.0.ffn_up.weight"));
  const std::vector<int> outside = {1, 5};
  EXPECT_THROW(start_from_layers(student.model, teacher, outside), Error);
  const TrainModel other(*context, tiny_config("gpt2"), {}, {});
  EXPECT_THROW(start_from_layers(student.model, other, std::vector<int>{0, 1}), Error);
}

}  // namespace
}  // namespace minim::train
