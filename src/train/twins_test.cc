// What distillation is for: a student that learns a teacher's predictions against its twin, the
// same model from the same weights that learns the same tokens as they come.
#include <gtest/gtest.h>

#include <cmath>

#include "model/testing/tiny_model.h"
#include "train/testing/gradient_check.h"
#include "train/testing/memory_source.h"
#include "train/trainer.h"

namespace minim::train {
namespace {

using minim::testing::tiny_config;
using testing::ChanceSource;
using testing::TrainTestContext;

constexpr int64_t kRowTokens = 32;

TrainerOptions options_of(int64_t steps) {
  TrainerOptions options;
  options.batch_rows = 8;
  options.schedule = {ScheduleKind::kWarmupStableDecay, steps, 3, steps / 2, 0.0f};
  options.optimizer.kind = OptimizerKind::kMuon;
  options.optimizer.learning_rate = 1e-2f;
  options.held_out_rows = 64;
  return options;
}

double learn(const Context& context, TrainModel& model, StepLoss& loss, int64_t steps,
             uint64_t data_seed) {
  const ChanceSource source(kRowTokens, 48, data_seed);
  const ChanceSource held_out(kRowTokens, 48, 1000);
  Trainer trainer(context, model, source, &held_out, loss, options_of(steps));
  trainer.run();
  return trainer.held_out_loss(model.parameters().values());
}

TEST(TwinsTest, AStudentBeatsItsTwinAtEqualTokens) {
  const TrainTestContext context;
  ModelConfig config = tiny_config();
  TrainModel teacher(*context, config, {}, {});
  NextTokenLoss plain(0.0f);
  const double of_teacher = learn(*context, teacher, plain, 150, 1);
  ModelConfig small = config;
  small.layer_count = 1;
  for (const uint64_t seed : {2u, 3u, 4u}) {
    SCOPED_TRACE(seed);
    constexpr int64_t kSteps = 30;
    TrainModel twin(*context, small, {}, {.seed = seed});
    TrainModel student(*context, small, {}, {.seed = seed});
    TeacherOptions teaching;
    teaching.distill.hard_weight = 0.0f;
    LiveTeacherLoss distilling(student, teacher, teaching);
    const double of_twin = learn(*context, twin, plain, kSteps, seed);
    const double of_student = learn(*context, student, distilling, kSteps, seed);
    // At least 3 % lower perplexity, and no closer to the best that there is than the teacher.
    EXPECT_LT(of_student, of_twin - std::log(1.03));
    EXPECT_GT(of_student, of_teacher - 0.02);
  }
}

}  // namespace
}  // namespace minim::train
