#include "train/stored_teacher.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "model/testing/tiny_model.h"
#include "tests/support/test_data.h"
#include "train/testing/gradient_check.h"
#include "train/testing/memory_source.h"
#include "train/trainer.h"

namespace minim::train {
namespace {

using minim::testing::TemporaryFolder;
using minim::testing::tiny_config;
using testing::CountingSource;
using testing::TrainTestContext;

StoreOptions store_options(int top_k) {
  StoreOptions options;
  options.row_count = 12;
  options.batch_rows = 5;
  options.header.top_k = top_k;
  options.header.temperature = 1.5f;
  return options;
}

// With every token but one among the choices, what is stored is all that a live teacher says, to
// the rounding of 8 bits; with fewer what it says of its likeliest.
TEST(StoredTeacherTest, TeachesAsTheLiveOneDoes) {
  const TrainTestContext context;
  const TemporaryFolder folder;
  const Path path = folder.path() / "teacher.logits";
  const TrainModel teacher(*context, tiny_config("qwen3"), {}, {.seed = 5, .deviation = 0.3f});
  TrainModel student(*context, tiny_config("llama"), {}, {.seed = 6, .deviation = 0.3f});
  const CountingSource source(16, 48);
  Batch batch;
  source.read(3, 4, batch);
  const BatchView view = view_rows(batch, 0, 4);
  const TokenLayout layout = make_token_layout(view.row_tokens, view.document_starts);
  DistillOptions options;
  options.temperature = 1.5f;
  options.hard_weight = 0.3f;
  const auto loss_of = [&](StepLoss& loss) {
    BufferPool pool;
    Tape tape(*context, pool, {.record = false});
    const HeadLoss found = loss.forward(tape, student, {view, layout, 1.0f});
    return found.loss / found.weight;
  };
  std::vector<double> losses;
  for (const int top_k : {47, 8, 1}) {
    store_teacher(*context, teacher, source, path, store_options(top_k));
    StoredTeacherLoss stored(student, TeacherLogitsReader::open(path), options);
    options.top_k = top_k == 47 ? 0 : top_k;
    LiveTeacherLoss live(student, teacher, {options, {}, 0.0f});
    losses.push_back(loss_of(live));
    EXPECT_NEAR(loss_of(stored), losses.back(), 0.02) << top_k;
  }
  // What is one for both is no difference.
  EXPECT_GT(losses[0], losses[1] + 0.05);
  EXPECT_GT(losses[1], losses[2] + 0.05);
  EXPECT_GT(losses[2], 0.5);
}

TEST(StoredTeacherTest, AStudentLearns) {
  const TrainTestContext context;
  const TemporaryFolder folder;
  const Path path = folder.path() / "teacher.logits";
  TrainModel teacher(*context, tiny_config("qwen3"), {}, {});
  const CountingSource source(16, 48, 1, 240);
  TrainerOptions options;
  options.batch_rows = 4;
  options.schedule = {ScheduleKind::kLinear, 60, 3};
  options.optimizer.kind = OptimizerKind::kMuon;
  options.optimizer.learning_rate = 1e-2f;
  options.held_out_steps = 0;
  NextTokenLoss hard(0.0f);
  Trainer(*context, teacher, source, nullptr, hard, options).run();
  StoreOptions stored = store_options(8);
  stored.row_count = 240;
  store_teacher(*context, teacher, source, path, stored);
  TrainModel student(*context, tiny_config("qwen3"), {}, {.seed = 9});
  StoredTeacherLoss loss(student, TeacherLogitsReader::open(path), {});
  Trainer trainer(*context, student, source, &source, loss, options);
  const double before = trainer.held_out_loss(student.parameters().values());
  trainer.run();
  EXPECT_LT(trainer.held_out_loss(student.parameters().values()), before - 1.5);
}

TEST(StoredTeacherTest, WhatDoesNotFitIsRefused) {
  const TrainTestContext context;
  const TemporaryFolder folder;
  const Path path = folder.path() / "teacher.logits";
  const TrainModel teacher(*context, tiny_config("qwen3"), {}, {});
  const CountingSource source(16, 48);
  store_teacher(*context, teacher, source, path, store_options(4));
  const auto reader = TeacherLogitsReader::open(path);
  ModelConfig config = tiny_config("llama");
  config.vocabulary_size = 50;
  const TrainModel larger(*context, config, {}, {});
  EXPECT_THROW(StoredTeacherLoss(larger, reader, {}), Error);
  TrainModel student(*context, tiny_config("llama"), {}, {});
  StoredTeacherLoss loss(student, reader, {});
  TrainerOptions options;
  options.schedule.step_count = 1;
  options.schedule.warmup_steps = 0;
  const CountingSource other(16, 48, 2);
  Trainer trainer(*context, student, other, nullptr, loss, options);
  EXPECT_THROW(trainer.run(), Error);
}

}  // namespace
}  // namespace minim::train
