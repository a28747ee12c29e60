// Training by several ranks, here threads of one process: the course is that of one rank.
#include <gtest/gtest.h>

#include <vector>

#include "base/error.h"
#include "model/testing/tiny_model.h"
#include "parallel/testing/thread_ranks.h"
#include "tests/support/test_data.h"
#include "train/gradient_sums.h"
#include "train/testing/gradient_check.h"
#include "train/testing/memory_source.h"
#include "train/trainer.h"

namespace minim::train {
namespace {

using minim::testing::TemporaryFolder;
using minim::testing::tiny_config;
using parallel::Communicator;
using parallel::testing::run_as_ranks;
using testing::CountingSource;
using testing::TrainTestContext;

struct Course {
  std::vector<double> losses;
  std::vector<double> held_out;
  std::vector<float> values;
  bool resumed = false;
};

struct Setting {
  std::string architecture = "qwen3";
  GraphOptions graph = {};
  int64_t micro_rows = 1;
  bool taught = false;
  Path folder = {};
  int64_t stop_after = 100;
  uint64_t data_seed = 1;
};

Course train(Communicator& ranks, const Setting& setting) {
  const TrainTestContext context(1);
  const ModelConfig config = tiny_config(setting.architecture);
  TrainModel model(*context, config, {}, {}, setting.graph);
  const TrainModel teacher(*context, config, {}, {.seed = 9});
  const CountingSource source(16, 48, setting.data_seed);
  const CountingSource held_out(16, 48, 77);
  TrainerOptions options;
  options.batch_rows = 7;  // no even share
  options.micro_rows = setting.micro_rows;
  options.schedule = {ScheduleKind::kWarmupStableDecay, 12, 2, 3, 0.0f};
  options.optimizer.kind = OptimizerKind::kMuon;
  options.held_out_steps = 6;
  options.held_out_rows = 10;
  options.checkpoint_folder = setting.folder;
  NextTokenLoss plain(1e-4f);
  TeacherOptions teaching;
  teaching.layers = {{0, 1}};
  teaching.hidden_weight = 0.1f;
  LiveTeacherLoss distilling(model, teacher, teaching);
  StepLoss& loss = setting.taught ? static_cast<StepLoss&>(distilling) : plain;
  Trainer trainer(*context, model, source, &held_out, loss, options, ranks);
  Course course;
  course.resumed = trainer.resume();
  trainer.run({.step =
                   [&](const StepStatistics& s) {
                     course.losses.push_back(s.loss);
                     // One rank alone is asked to stop; all do.
                     return ranks.rank() != ranks.size() - 1 || s.step < setting.stop_after;
                   },
               .held_out = [&](const HeldOutLoss& l) { course.held_out.push_back(l.loss); }});
  const auto values = model.parameters().values();
  course.values.assign(values.begin(), values.end());
  return course;
}

std::vector<Course> train_as_ranks(int count, const Setting& setting) {
  std::vector<Course> courses(static_cast<size_t>(count));
  run_as_ranks(count, [&](Communicator& ranks) {
    courses[static_cast<size_t>(ranks.rank())] = train(ranks, setting);
  });
  return courses;
}

void expect_near(const std::vector<double>& found, const std::vector<double>& expected) {
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], expected[i], 2e-4) << i;
}

TEST(RanksTest, SeveralLearnAsOneDoes) {
  for (const Setting& setting :
       {Setting{}, Setting{.micro_rows = 0}, Setting{.graph = {.dropout = 0.1f}},
        Setting{.graph = {.recompute = true}}, Setting{.architecture = "gpt2", .micro_rows = 2},
        Setting{.taught = true}}) {
    const Course one = train(parallel::alone(), setting);
    for (const int count : {2, 3}) {
      SCOPED_TRACE(::testing::Message() << setting.architecture << ", " << count << " ranks");
      const std::vector<Course> courses = train_as_ranks(count, setting);
      expect_near(courses[0].losses, one.losses);
      expect_near(courses[0].held_out, one.held_out);
      for (const Course& course : courses) EXPECT_EQ(course.values, courses[0].values);
    }
  }
}

TEST(RanksTest, ACheckpointServesAnyNumberOfRanks) {
  const Course whole = train(parallel::alone(), {});
  for (const int before : {1, 2}) {
    const TemporaryFolder folder;
    Setting setting;
    setting.folder = folder.path();
    setting.stop_after = 5;
    const std::vector<Course> first = train_as_ranks(before, setting);
    for (const Course& course : first) EXPECT_EQ(course.losses.size(), 5u);
    setting.stop_after = 100;
    const std::vector<Course> second = train_as_ranks(3 - before, setting);
    std::vector<double> losses = first[0].losses;
    for (const Course& course : second) EXPECT_TRUE(course.resumed);
    losses.insert(losses.end(), second[0].losses.begin(), second[0].losses.end());
    expect_near(losses, whole.losses);
  }
}

TEST(RanksTest, RanksThatDisagreeAreToldSo) {
  run_as_ranks(2, [](Communicator& ranks) {
    Setting setting;
    setting.data_seed = static_cast<uint64_t>(1 + ranks.rank());
    try {
      train(ranks, setting);
      ADD_FAILURE() << "rows that differ were not noticed";
    } catch (const Error& error) {
      EXPECT_STREQ(error.what(), "train: the data differs between the ranks");
    }
  });
  const TrainTestContext context;
  run_as_ranks(8, [](Communicator& ranks) { EXPECT_THROW(train(ranks, {}), Error); });
}

// Counts what is begun before the rest is asked for.
class CountingRanks final : public Communicator {
 public:
  int rank() const override { return 0; }
  int size() const override { return 2; }
  std::string name() const override { return "counting"; }
  void start_sum(std::span<float> values) override { begun += static_cast<int64_t>(values.size()); }
  void finish_sums() override {}
  void sum(std::span<double>) override {}
  void broadcast(std::span<std::byte>) override {}
  int64_t begun = 0;
};

TEST(RanksTest, EveryGradientIsAddedUpOnce) {
  for (const Architecture* architecture : architectures()) {
    SCOPED_TRACE(architecture->name);
    const ModelConfig config = tiny_config(architecture->name);
    const ParameterSet parameters(config, {});
    CountingRanks ranks;
    GradientSums sums(parameters, config.layer_count, ranks);
    for (int layer = config.layer_count - 1; layer >= 0; --layer) sums.start_layer(layer);
    const int64_t in_layers = ranks.begun;
    sums.finish();
    EXPECT_GT(in_layers, 0);
    EXPECT_GT(ranks.begun, in_layers);
    EXPECT_GE(ranks.begun, parameters.parameter_count());
    EXPECT_LE(ranks.begun, parameters.value_count());
  }
}

}  // namespace
}  // namespace minim::train
