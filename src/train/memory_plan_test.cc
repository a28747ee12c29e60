#include "train/memory_plan.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "base/error.h"
#include "model/testing/tiny_model.h"
#include "train/testing/gradient_check.h"
#include "train/testing/memory_source.h"

namespace minim::train {
namespace {

using minim::testing::tiny_config;
using testing::CountingSource;
using testing::TrainTestContext;

TrainerOptions plan_options() {
  TrainerOptions options;
  options.batch_rows = 4;
  options.micro_rows = 2;
  options.schedule.step_count = 2;
  options.held_out_steps = 0;
  return options;
}

TEST(MemoryPlanTest, ActivationsAreWhatAStepHolds) {
  const TrainTestContext context;
  for (const char* architecture : {"qwen3", "gpt2", "phi3", "qwen3moe"}) {
    for (const bool recompute : {false, true}) {
      SCOPED_TRACE(fmt::format("{}, recomputed: {}", architecture, recompute));
      const GraphOptions graph{.dropout = 0.1f, .recompute = recompute};
      TrainModel model(*context, tiny_config(architecture), {}, {}, graph);
      const CountingSource source(16, 48);
      NextTokenLoss loss(0.0f);
      const MemoryPlan plan = plan_memory(*context, model.config(), graph, plan_options(), 16);
      Trainer trainer(*context, model, source, nullptr, loss, plan_options());
      trainer.run();
      EXPECT_EQ(trainer.activation_bytes(), plan.activation_bytes);
      EXPECT_EQ(plan.parameter_bytes, model.parameters().values().size_bytes());
    }
  }
}

TEST(MemoryPlanTest, RecomputationSavesMemory) {
  const TrainTestContext context;
  ModelConfig config = tiny_config("qwen3");
  config.layer_count = 12;
  const auto bytes = [&](bool recompute) {
    return plan_memory(*context, config, {.recompute = recompute}, plan_options(), 16)
        .activation_bytes;
  };
  EXPECT_LT(bytes(true), bytes(false) / 3);
}

TEST(MemoryPlanTest, AModelOfAnySizeIsPlannedWithoutItsMemory) {
  const TrainTestContext context;
  ModelConfig config = tiny_config("llama");
  config.layer_count = 32;
  config.dim = 8192;
  config.head_count = 64;
  config.kv_head_count = 8;
  config.head_dim = 128;
  config.ffn_dim = 28672;
  config.vocabulary_size = 128000;
  config.rope.dimension_count = 128;
  const MemoryPlan plan = plan_memory(*context, config, {}, plan_options(), 2048);
  EXPECT_GT(plan.parameter_bytes, size_t{100} << 30);
  EXPECT_EQ(plan.optimizer_bytes, 2 * plan.parameter_bytes);
  config.kv_head_count = 7;
  EXPECT_THROW(plan_memory(*context, config, {}, plan_options(), 2048), Error);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
// "VmHWM": the most that was resident, in bytes.
size_t peak_bytes() {
  const std::string status = read_file("/proc/self/status");
  const size_t at = status.find("VmHWM:");
  return at == std::string::npos ? 0 : std::strtoull(status.c_str() + at + 6, nullptr, 10) << 10;
}

// In a process of its own, whose memory nothing else has touched.
TEST(MemoryPlanTest, IsWithinATenthOfWhatIsMeasured) {
  ModelConfig config = tiny_config("qwen3");
  config.layer_count = 3;
  config.dim = 256;
  config.head_dim = 64;
  config.ffn_dim = 768;
  config.vocabulary_size = 2048;
  config.rope.dimension_count = 64;
  config.attention_scale = 0.125f;
  TrainerOptions options = plan_options();
  options.micro_rows = 0;
  options.schedule.step_count = 1;
  options.average_decay = 0.99f;
  constexpr int64_t kRowTokens = 256;
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const TrainTestContext context(1);
    const size_t before = peak_bytes();
    const MemoryPlan plan = plan_memory(*context, config, {}, options, kRowTokens);
    TrainModel model(*context, config, {}, {});
    const CountingSource source(kRowTokens, config.vocabulary_size);
    NextTokenLoss loss(0.0f);
    Trainer trainer(*context, model, source, nullptr, loss, options);
    trainer.run();
    const double ratio =
        static_cast<double>(peak_bytes() - before) / static_cast<double>(plan.total());
    if (before > 0 && ratio > 0.9 && ratio < 1.1) ::_exit(0);
    std::fprintf(stderr, "measured over planned: %.3f\n", ratio);
    ::_exit(1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
#endif

}  // namespace
}  // namespace minim::train
