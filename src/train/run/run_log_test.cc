#include "train/run/run_log.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "base/error.h"
#include "tests/support/test_data.h"

namespace minim::train {
namespace {

RunStart start_after(int64_t step) {
  return {.name = "toy",
          .recipe = "model:\n  dim: 8\n",
          .version = "1",
          .machine = "x",
          .step = step,
          .step_count = 10,
          .parameters = 1000,
          .batch_tokens = 64,
          .time = 1700000000};
}

TEST(RunLog, ReadsBackWhatWasWritten) {
  const minim::testing::TemporaryFolder folder;
  {
    RunLog log(folder.path() / "run");
    log.write(start_after(0));
    log.write(StepRecord{1, 64, 5.5, 0.01, 1.25, 0.5, 0.6});
    log.write(StepRecord{2, 128, std::nan(""), 0.01, INFINITY, 0.5, 0.6});
    log.write(HeldOutRecord{2, 5.0, 2.5});
    log.write(RunNote{2, "skipped", "the loss is not finite"});
  }
  const RunHistory history = read_run_log(folder.path() / "run");
  EXPECT_EQ(history.start.name, "toy");
  EXPECT_EQ(history.start.recipe, "model:\n  dim: 8\n");
  EXPECT_EQ(history.start.parameters, 1000u);
  ASSERT_EQ(history.steps.size(), 2u);
  EXPECT_EQ(history.steps[0].loss, 5.5);
  EXPECT_EQ(history.steps[0].seconds, 0.5);
  EXPECT_TRUE(std::isnan(history.steps[1].loss));
  ASSERT_EQ(history.held_out.size(), 1u);
  EXPECT_EQ(history.held_out[0].bits_per_byte, 2.5);
  ASSERT_EQ(history.notes.size(), 1u);
  EXPECT_EQ(history.notes[0].text, "the loss is not finite");
}

TEST(RunLog, AResumedRunReplacesWhatItDoesAgain) {
  const minim::testing::TemporaryFolder folder;
  for (const int64_t begin : {0, 3}) {
    RunLog log(folder.path());
    log.write(start_after(begin));
    for (int64_t step = begin + 1; step <= begin + 5; ++step) {
      log.write(StepRecord{step, 0, static_cast<double>(begin), 0, 0, 1, 0});
    }
  }
  const RunHistory history = read_run_log(folder.path());
  ASSERT_EQ(history.steps.size(), 8u);
  for (size_t i = 0; i < 8; ++i) {
    EXPECT_EQ(history.steps[i].step, static_cast<int64_t>(i) + 1);
    EXPECT_EQ(history.steps[i].loss, i < 3 ? 0 : 3);
  }
  EXPECT_EQ(history.resumed, std::vector<int64_t>{3});
}

TEST(RunLog, HalfALineIsCutOff) {
  const minim::testing::TemporaryFolder folder;
  { RunLog(folder.path()).write(start_after(0)); }
  std::ofstream(run_log_path(folder.path()), std::ios::app) << "{\"event\": \"st";
  EXPECT_EQ(read_run_log(folder.path()).steps.size(), 0u);
  { RunLog(folder.path()).write(StepRecord{1, 0, 1, 0, 0, 1, 0}); }
  EXPECT_EQ(read_run_log(folder.path()).steps.size(), 1u);
}

TEST(RunLog, WhatIsNoLogIsRefused) {
  const auto refuses = [](const char* text, const char* words) {
    try {
      parse_run_log(text, "log");
      ADD_FAILURE() << "accepted " << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kFormat);
      EXPECT_NE(std::string(error.what()).find(words), std::string::npos) << error.what();
    }
  };
  refuses("", "nothing yet");
  refuses("hello\n", "log:1");
  refuses("{}\n", "log:1: '' is no event");
  refuses("{\"event\": \"note\", \"step\": 1}\n{\"event\": \"step\"}\n", "log:2: 'step'");
  refuses("{\"event\": \"step\", \"step\": -1, \"tokens\": 1}\n", "negative");
  const minim::testing::TemporaryFolder folder;
  EXPECT_THROW(read_run_log(folder.path()), Error);
}

}  // namespace
}  // namespace minim::train
