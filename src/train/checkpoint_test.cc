// Runs that are stopped, killed, or lose their disk, and what is left of them.
#include "train/checkpoint.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <thread>

#include "base/error.h"
#include "base/xxhash64.h"
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

constexpr int64_t kSteps = 12;

TrainerOptions run_options(const Path& folder, OptimizerKind kind = OptimizerKind::kMuon) {
  TrainerOptions options;
  options.batch_rows = 3;
  options.micro_rows = 2;
  options.schedule = {ScheduleKind::kCosine, kSteps, 2, 0, 0.1f};
  options.optimizer.kind = kind;
  options.average_decay = 0.9f;
  options.checkpoint_folder = folder;
  options.checkpoint_steps = 3;
  return options;
}

// A run in `folder`, resumed if it can be, until it ends or `stop` says so.
class ToyRun {
 public:
  ToyRun(const Context& context, const TrainerOptions& options)
      : model_(context, tiny_config("qwen3"), {}, {}, {.dropout = 0.1f}),
        source_(16, 48),
        trainer_(context, model_, source_, nullptr, loss_, options) {}

  bool resume() { return trainer_.resume(); }
  RunEnd run(const TrainerEvents& events = {}) { return trainer_.run(events); }
  int64_t step() const { return trainer_.step(); }
  // Of the weights and their average.
  uint64_t digest() const {
    XxHash64 hash;
    hash.update(std::as_bytes(model_.parameters().values()));
    hash.update(std::as_bytes(trainer_.average()));
    return hash.digest();
  }

 private:
  TrainModel model_;
  CountingSource source_;
  NextTokenLoss loss_{0.0f};
  Trainer trainer_;
};

uint64_t uninterrupted(const Context& context, OptimizerKind kind = OptimizerKind::kMuon) {
  const TemporaryFolder folder;
  ToyRun run(context, run_options(folder.path(), kind));
  run.run();
  return run.digest();
}

TEST(CheckpointTest, StoppedAtEveryStepARunEndsAlike) {
  const TrainTestContext context;
  for (const OptimizerKind kind :
       {OptimizerKind::kAdamW, OptimizerKind::kMuon, OptimizerKind::kAdafactor}) {
    const uint64_t expected = uninterrupted(*context, kind);
    for (int64_t stop = 1; stop < kSteps; ++stop) {
      SCOPED_TRACE(stop);
      const TemporaryFolder folder;
      {
        ToyRun run(*context, run_options(folder.path(), kind));
        EXPECT_FALSE(run.resume());
        EXPECT_EQ(run.run({.step = [&](const StepStatistics& s) { return s.step < stop; }}),
                  RunEnd::kStopped);
      }
      ToyRun again(*context, run_options(folder.path(), kind));
      EXPECT_TRUE(again.resume());
      EXPECT_EQ(again.step(), stop);
      EXPECT_EQ(again.run(), RunEnd::kDone);
      EXPECT_EQ(again.digest(), expected);
    }
  }
}

// Each process lives for a random time; somebody goes on where the last one was killed.
TEST(CheckpointTest, KilledAnywhereARunEndsAlike) {
  const uint64_t expected = [] {
    const TrainTestContext context(1);
    return uninterrupted(*context);
  }();
  Rng rng(minim::testing::test_seed());
  for (int trial = 0; trial < 25; ++trial) {
    SCOPED_TRACE(trial);
    const TemporaryFolder folder;
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      const TrainTestContext context(1);
      ToyRun run(*context, run_options(folder.path()));
      run.run();
      ::_exit(0);
    }
    std::this_thread::sleep_for(std::chrono::microseconds(rng.below(25000)));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    const TrainTestContext context(1);
    ToyRun run(*context, run_options(folder.path()));
    run.resume();
    run.run();
    EXPECT_EQ(run.digest(), expected);
  }
}

// While it lives, no file of this process grows beyond so many bytes: what a full disk does.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    handler_ = ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit = {bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    ::signal(SIGXFSZ, handler_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit before_ = {};
  void (*handler_)(int) = nullptr;
};

TEST(CheckpointTest, AFullDiskKeepsThePreviousGeneration) {
  const TrainTestContext context(1);
  const uint64_t expected = uninterrupted(*context);
  const TemporaryFolder whole;
  ToyRun(*context, run_options(whole.path())).run();
  const auto size = std::filesystem::file_size(CheckpointFolder(whole.path(), 0).path_of(kSteps));
  for (int part = 0; part < 10; ++part) {
    SCOPED_TRACE(part);
    const TemporaryFolder folder;
    const TrainerOptions options = run_options(folder.path());
    {
      ToyRun run(*context, options);
      run.run({.step = [](const StepStatistics& s) { return s.step < 5; }});
    }
    {
      const FileSizeLimit limit(size * static_cast<uint64_t>(part) / 10);
      ToyRun run(*context, options);
      ASSERT_TRUE(run.resume());
      EXPECT_THROW(run.run(), Error);
    }
    const CheckpointFolder left(folder.path(), 0);
    EXPECT_EQ(left.steps(), (std::vector<int64_t>{5, 3}));
    ToyRun run(*context, options);
    ASSERT_TRUE(run.resume());
    EXPECT_EQ(run.step(), 5);
    run.run();
    EXPECT_EQ(run.digest(), expected);
  }
}

TEST(CheckpointTest, TwoGenerationsAreKept) {
  const TrainTestContext context(1);
  const TemporaryFolder folder;
  ToyRun run(*context, run_options(folder.path()));
  std::vector<int64_t> saved;
  run.run({.saved = [&](int64_t step) {
    saved.push_back(step);
    EXPECT_EQ(CheckpointFolder(folder.path(), 0).steps().size(), std::min<size_t>(saved.size(), 2));
  }});
  EXPECT_EQ(saved, (std::vector<int64_t>{0, 3, 6, 9, 12}));
  EXPECT_EQ(CheckpointFolder(folder.path(), 0).steps(), (std::vector<int64_t>{12, 9}));
}

void damage(const Path& path, size_t at) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(static_cast<std::streamoff>(at));
  const char byte = static_cast<char>(file.get() ^ 0x10);
  file.seekp(static_cast<std::streamoff>(at));
  file.put(byte);
}

TEST(CheckpointTest, ADamagedOneIsPassedOver) {
  std::vector<std::string> warnings;
  ThreadPool threads(1);
  const Context context{threads, kernels::select_kernel_table_from_environment(),
                        [&](LogLevel, std::string_view line) { warnings.emplace_back(line); }};
  const uint64_t expected = uninterrupted(context);
  const TemporaryFolder folder;
  ToyRun(context, run_options(folder.path())).run();
  const Path newest = CheckpointFolder(folder.path(), 0).path_of(kSteps);
  const auto size = std::filesystem::file_size(newest);
  for (const size_t at : {size_t{0}, size_t{9}, size_t{200}, size_t{size / 2}, size_t{size - 1}}) {
    SCOPED_TRACE(at);
    damage(newest, at);
    warnings.clear();
    ToyRun run(context, run_options(folder.path()));
    ASSERT_TRUE(run.resume());
    EXPECT_EQ(run.step(), 9);
    EXPECT_EQ(warnings.size(), 1u);
    run.run();
    EXPECT_EQ(run.digest(), expected);
  }
  std::filesystem::resize_file(newest, size / 3);
  ToyRun run(context, run_options(folder.path()));
  ASSERT_TRUE(run.resume());
  EXPECT_EQ(run.step(), 9);
}

TEST(CheckpointTest, OthersRunsAreRefused) {
  const TrainTestContext context(1);
  const TemporaryFolder folder;
  ToyRun(*context, run_options(folder.path())).run();
  TrainerOptions options = run_options(folder.path());
  options.optimizer.weight_decay = 0.5f;
  EXPECT_THROW(ToyRun(*context, options).resume(), Error);
  // How often it saves is no matter.
  options = run_options(folder.path());
  options.checkpoint_steps = 100;
  EXPECT_TRUE(ToyRun(*context, options).resume());
}

TEST(CheckpointTest, OtherDataIsRefused) {
  const TrainTestContext context(1);
  const TemporaryFolder folder;
  const TrainerOptions options = run_options(folder.path());
  TrainModel model(*context, tiny_config("qwen3"), {}, {});
  NextTokenLoss loss(0.0f);
  const CountingSource source(16, 48);
  Trainer(*context, model, source, nullptr, loss, options).run();
  const CountingSource other(16, 48, 2);
  Trainer trainer(*context, model, other, nullptr, loss, options);
  EXPECT_THROW(trainer.resume(), Error);
}

}  // namespace
}  // namespace minim::train
