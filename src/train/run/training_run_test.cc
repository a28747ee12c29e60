#include "train/run/training_run.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>

#include "base/error.h"
#include "kernels/registry.h"
#include "model/model.h"
#include "tests/support/test_data.h"

namespace minim::train {
namespace {

constexpr const char* kRecipe = R"(model: {layers: 2, dim: 32, heads: 2, kv_heads: 1, ffn_dim: 64}
tokenizer: {train: [tales], size: 300}
data:
  held_out: 0.2
  sources:
    - {name: tales, files: tales.txt}
training: {steps: 40, row_tokens: 32, batch_rows: 4, warmup_steps: 4, held_out_steps: 20,
           held_out_rows: 8, checkpoint_steps: 10, ema: 0.9, optimizer: muon, precision: fp32}
output: {folder: out, name: toy}
)";

class TrainingRunTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::ofstream tales(folder_.path() / "tales.txt");
    for (int i = 0; i < 200; ++i) {
      tales << "the cat number " << i << " sat on the mat and saw a dog<|endoftext|>";
    }
  }

  Recipe recipe(std::vector<std::string> settings = {}, const std::string& out = "out") const {
    settings.push_back("output.folder=" + (folder_.path() / out).string());
    return parse_recipe(kRecipe, "r.yaml", folder_.path(), settings);
  }

  RunResult run(const Recipe& made, const TrainerEvents& events = {}) {
    const PreparedData data = prepare_data(context_, made, {});
    const RunPlan plan = plan_run(context_, made, data, uint64_t{1} << 32);
    return run_recipe(context_, made, data, plan, {"test", "machine", {}}, events);
  }

  minim::testing::TemporaryFolder folder_;
  ThreadPool threads_{2};
  Context context_{threads_, kernels::select_kernel_table(), {}};
};

TEST_F(TrainingRunTest, LearnsLogsAndWritesAModel) {
  const RunResult result = run(recipe());
  EXPECT_EQ(result.end, RunEnd::kDone);
  EXPECT_EQ(result.resumed_from, 0);
  ASSERT_TRUE(result.held_out.has_value());
  EXPECT_LT(result.held_out->loss, 3.0);  // from log(300) = 5.7
  const auto file = open_model_file(result.model);
  EXPECT_EQ(file->metadata().string("general.name"), "toy");
  const auto model = Model::load(context_, file);
  EXPECT_EQ(model->config().architecture, "qwen3");
  const RunHistory history = read_run_log(folder_.path() / "out");
  ASSERT_EQ(history.steps.size(), 40u);
  EXPECT_LT(history.steps.back().loss, history.steps.front().loss - 2);
  ASSERT_EQ(history.held_out.size(), 2u);
  EXPECT_GT(history.held_out[1].bits_per_byte, 0.0);
  EXPECT_EQ(history.notes.back().kind, "done");
}

TEST_F(TrainingRunTest, AStoppedRunGoesOnToTheSameModel) {
  const Path whole = run(recipe({}, "whole")).model;
  const auto stop = [](const StepStatistics& s) { return s.step < 17; };
  const RunResult stopped = run(recipe(), {.step = stop});
  EXPECT_EQ(stopped.end, RunEnd::kStopped);
  EXPECT_EQ(stopped.step, 17);
  EXPECT_TRUE(stopped.model.empty());
  const RunResult result = run(recipe());
  EXPECT_EQ(result.resumed_from, 17);
  EXPECT_EQ(read_file(result.model), read_file(whole));
}

TEST_F(TrainingRunTest, PlansFitTheMemory) {
  const Recipe made = recipe();
  const PreparedData data = prepare_data(context_, made, {});
  const RunPlan roomy = plan_run(context_, made, data, uint64_t{1} << 32);
  EXPECT_EQ(roomy.options.micro_rows, 4);
  EXPECT_EQ(roomy.batch_tokens(), 128);
  EXPECT_EQ(roomy.tokens(), 40 * 128);
  EXPECT_GT(roomy.parameter_count, 20000u);
  const auto all = static_cast<uint64_t>(roomy.memory.total());
  EXPECT_LT(plan_run(context_, made, data, all).options.micro_rows, 4);
  EXPECT_THROW(plan_run(context_, made, data, 100000), Error);
}

TEST_F(TrainingRunTest, ADeeperModelBeginsAsTheLayersOfATrainedOne) {
  const Path seed = run(recipe({}, "seed")).model;
  std::string text = kRecipe;
  text.replace(0, text.find("\ndata:"),
               fmt::format("model: {{from: {}, stack: [1, 0, 1]}}", seed.string()));
  const std::vector<std::string> settings = {"output.folder=" + (folder_.path() / "deep").string(),
                                             "training.steps=1", "training.warmup_steps=0",
                                             "training.learning_rate=1e-12",
                                             "training.adamw_learning_rate=1e-12"};
  const auto deep =
      open_model_file(run(parse_recipe(text, "r.yaml", folder_.path(), settings)).model);
  const auto from = open_model_file(seed);
  EXPECT_EQ(read_model_config(*deep).layer_count, 3);
  const auto same = [&](const std::string& ours, const std::string& theirs) {
    const auto a = deep->require(ours).load(), b = from->require(theirs).load();
    return std::equal(a.bytes.begin(), a.bytes.end(), b.bytes.begin(), b.bytes.end());
  };
  EXPECT_TRUE(same("blk.0.ffn_up.weight", "blk.1.ffn_up.weight"));
  EXPECT_TRUE(same("blk.1.attn_norm.weight", "blk.0.attn_norm.weight"));
  EXPECT_TRUE(same("blk.2.attn_q.weight", "blk.1.attn_q.weight"));
  EXPECT_FALSE(same("blk.1.attn_q.weight", "blk.1.attn_q.weight"));
  EXPECT_TRUE(same("token_embd.weight", "token_embd.weight"));
  text.replace(text.find("[1, 0, 1]"), 9, "[1, 2]");
  EXPECT_THROW(run(parse_recipe(text, "r.yaml", folder_.path(), settings)), Error);
}

TEST_F(TrainingRunTest, AStudentLearnsFromATeacherAliveAndStored) {
  const Path teacher = run(recipe({}, "teacher")).model;
  const std::string from = "distillation.teacher=" + teacher.string();
  const std::string tokenizer = "tokenizer.file=" + teacher.string();
  const RunResult live = run(recipe(
      {from, tokenizer, "tokenizer.train=[]", "training.steps=20", "distillation.hidden_weight=0.1",
       "distillation.layer_map=[\"0:0\", \"1:1\"]", "distillation.start_layers=[\"0\", \"1\"]"},
      "live"));
  EXPECT_LT(live.held_out->loss, 2.0);
  const std::string stored = "distillation.stored=" + (folder_.path() / "teacher.logits").string();
  const auto settings = [&](int top_k) {
    return std::vector<std::string>{from,
                                    tokenizer,
                                    "tokenizer.train=[]",
                                    "training.steps=20",
                                    stored,
                                    fmt::format("distillation.top_k={}", top_k)};
  };
  const RunResult first = run(recipe(settings(8), "first"));
  EXPECT_TRUE(std::filesystem::exists(folder_.path() / "teacher.logits"));
  const RunResult second = run(recipe(settings(8), "second"));
  EXPECT_EQ(read_file(first.model), read_file(second.model));
  // What was stored is not what is asked for now.
  EXPECT_THROW(run(recipe(settings(9), "third")), Error);
}

}  // namespace
}  // namespace minim::train
