// Turns, events, cancelling, and what makes no sense.
#include "runtime/scheduler.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <limits>
#include <thread>

#include "base/error.h"
#include "runtime/testing/scheduler_rig.h"

namespace minim {
namespace {

using testing::alone;
using testing::pull;
using testing::request_of;
using testing::run_all;
using testing::run_one;
using testing::Said;
using testing::SchedulerTest;
using testing::small_steps;
using testing::some_tokens;
using Kind = GenerationEvent::Kind;

TEST_F(SchedulerTest, WithoutJobsThereIsNothingToDo) {
  Scheduler scheduler = make();
  EXPECT_FALSE(scheduler.step());
  Job none;
  EXPECT_TRUE(none.finished());
  EXPECT_EQ(none.state(), JobState::kEnded);
}

TEST_F(SchedulerTest, EventsTellWhatHappens) {
  Scheduler scheduler = make();
  JobRequest request = request_of(some_tokens(90, 1), 4);
  request.prompt_progress = true;
  Job job = scheduler.submit(request);
  EXPECT_EQ(job.state(), JobState::kWaiting);
  std::vector<Kind> kinds;
  std::vector<int64_t> progress;
  while (scheduler.step()) {
    while (const auto event = job.next(std::chrono::milliseconds(0))) {
      kinds.push_back(event->kind);
      if (event->kind == Kind::kPrompt) progress.push_back(event->prompt_done);
    }
  }
  EXPECT_EQ(progress, (std::vector<int64_t>{40, 80, 90}));
  EXPECT_EQ(kinds, (std::vector<Kind>{Kind::kPrompt, Kind::kPrompt, Kind::kPrompt, Kind::kToken,
                                      Kind::kToken, Kind::kToken, Kind::kToken, Kind::kDone}));
  EXPECT_TRUE(job.finished());
  EXPECT_EQ(job.state(), JobState::kEnded);
  EXPECT_FALSE(job.next());
  const GenerationStatistics statistics = job.statistics();
  EXPECT_EQ(statistics.prompt_tokens, 90);
  EXPECT_EQ(statistics.generated_tokens, 4);
  EXPECT_EQ(statistics.decode_steps, 3) << "nobody needs what follows the last token";
  EXPECT_GT(statistics.prompt_seconds, 0);
  EXPECT_GT(statistics.decode_seconds, 0);
  EXPECT_GE(statistics.queue_seconds, 0);
  EXPECT_GT(statistics.prompt_rate(), 0);
  EXPECT_GT(statistics.decode_rate(), 0);
  EXPECT_GE(statistics.first_token_seconds(), statistics.prompt_seconds);
}

TEST_F(SchedulerTest, ProgressThatNobodyPulledIsToldOnce) {
  Scheduler scheduler = make();
  JobRequest request = request_of(some_tokens(120, 1), 1);
  request.prompt_progress = true;
  request.events_max = 1;
  Job job = scheduler.submit(request);
  scheduler.step();
  scheduler.step();
  const auto event = job.next(std::chrono::milliseconds(0));
  ASSERT_TRUE(event);
  EXPECT_EQ(event->prompt_done, 40) << "and it pauses then";
}

// The gap between two tokens is one step, and a step reads a bounded part of prompts.
TEST_F(SchedulerTest, ALongPromptDoesNotHoldUpThoseWhoSpeak) {
  Scheduler scheduler = make();
  Job speaker = scheduler.submit(request_of(some_tokens(5, 1), 100));
  Said said;
  scheduler.step();
  pull(speaker, said);
  std::vector<Job> prompts;
  for (uint64_t i = 0; i < 5; ++i)
    prompts.push_back(scheduler.submit(request_of(some_tokens(120, i), 0)));
  for (int step = 0; step < 30; ++step) {
    const int64_t rows = scheduler.statistics().batch_rows;
    const size_t tokens = said.tokens.size();
    ASSERT_TRUE(scheduler.step());
    pull(speaker, said);
    EXPECT_EQ(said.tokens.size(), tokens + 1);
    const int64_t step_rows = scheduler.statistics().batch_rows - rows;
    EXPECT_LE(step_rows, 1 + 18);
    EXPECT_GE(step_rows, 1 + 9);
  }
}

// Where prompts are quickly read, the bound is one of time.
TEST_F(SchedulerTest, ReadsMoreOfAPromptBesideWhereThatIsQuick) {
  for (const double seconds : {0.0, 1e-9, 1e5}) {
    SchedulerOptions options = small_steps();
    options.batch_tokens = 100;
    options.prompt_seconds_beside = seconds;
    Scheduler scheduler = make(options);
    const Job speaker = scheduler.submit(request_of(some_tokens(20, 1), 100));
    scheduler.step();
    const Job listener = scheduler.submit(request_of(some_tokens(90, 2), 1));
    const int64_t before = scheduler.statistics().batch_rows;
    scheduler.step();
    EXPECT_EQ(scheduler.statistics().batch_rows - before, 1 + (seconds > 1 ? 90 : 18)) << seconds;
  }
}

// One after the other in turn, not one until it is done.
TEST_F(SchedulerTest, EqualPromptsAreReadSideBySide) {
  SchedulerOptions options = small_steps();
  Scheduler scheduler = make(options);
  std::vector<Job> jobs;
  for (uint64_t i = 0; i < 3; ++i) {
    JobRequest request = request_of(some_tokens(120, i), 1);
    request.prompt_progress = true;
    jobs.push_back(scheduler.submit(request));
  }
  for (int step = 0; step < 3; ++step) scheduler.step();
  for (Job& job : jobs) {
    const auto event = job.next(std::chrono::milliseconds(0));
    ASSERT_TRUE(event);
    EXPECT_EQ(event->prompt_done, 40);
  }
}

TEST_F(SchedulerTest, HigherPrioritiesStartFirstAndOthersDoNotStarve) {
  SchedulerOptions options = small_steps();
  options.sequences_max = 1;
  Scheduler scheduler = make(options);
  std::vector<Job> jobs;
  jobs.push_back(scheduler.submit(request_of(some_tokens(20, 1), 3)));
  scheduler.step();
  const auto submit = [&](int priority) {
    JobRequest request = request_of(some_tokens(20, 2), 1);
    request.priority = priority;
    jobs.push_back(scheduler.submit(request));
  };
  submit(0);
  submit(1);
  for (int i = 0; i < 3; ++i) scheduler.step();
  EXPECT_EQ(jobs[2].state(), JobState::kEnded);
  EXPECT_EQ(jobs[1].state(), JobState::kWaiting);
  // Higher ones keep coming.
  int steps = 0;
  for (; jobs[1].state() == JobState::kWaiting && steps < 100; ++steps) {
    submit(1);
    scheduler.step();
  }
  EXPECT_LT(steps, 20);
}

TEST_F(SchedulerTest, ManyJobsTakeTurnsInFewPlaces) {
  SchedulerOptions options = small_steps();
  options.sequences_max = 3;
  Scheduler scheduler = make(options);
  std::vector<JobRequest> requests;
  std::vector<Job> jobs;
  for (uint64_t i = 0; i < 20; ++i) {
    requests.push_back(request_of(some_tokens(10 + i, i), 5, i));
    jobs.push_back(scheduler.submit(requests.back()));
  }
  scheduler.step();
  EXPECT_EQ(scheduler.statistics().jobs_running, 3);
  EXPECT_EQ(scheduler.statistics().jobs_waiting, 17);
  const auto said = run_all(scheduler, jobs);
  for (size_t i = 0; i < 20; ++i) EXPECT_EQ(said[i], alone(*context_, tiny_, requests[i]));
  EXPECT_LE(scheduler.statistics().decode_rows_max, 3);
}

TEST_F(SchedulerTest, ACancelledJobComputesAtMostTwoMoreTokens) {
  Scheduler scheduler = make();
  for (const bool kept : {false, true}) {
    for (const int steps : {0, 1, 2, 7}) {
      JobRequest request = request_of(some_tokens(20, 1), 100);
      if (kept) request.state = scheduler.make_state();
      Job job = scheduler.submit(request);
      for (int i = 0; i < steps; ++i) scheduler.step();
      const int64_t rows = scheduler.statistics().batch_rows;
      job.cancel();
      const Said said = run_all(scheduler, {&job, 1}).front();
      EXPECT_EQ(said.reason, StopReason::kCancelled);
      EXPECT_LE(scheduler.statistics().batch_rows - rows, 2);
      EXPECT_EQ(static_cast<int>(said.tokens.size()), steps);
      EXPECT_TRUE(job.finished());
    }
  }
}

TEST_F(SchedulerTest, LettingAHandleGoCancels) {
  Scheduler scheduler = make();
  {
    const Job job = scheduler.submit(request_of(some_tokens(20, 1), 100));
    scheduler.step();
  }
  scheduler.step();
  EXPECT_FALSE(scheduler.step());
  EXPECT_EQ(scheduler.statistics().jobs_ended, 1);
  EXPECT_LE(scheduler.statistics().batch_rows, 22);
}

TEST_F(SchedulerTest, AFullQueuePausesItsOwnJobAlone) {
  SchedulerOptions options = small_steps();
  options.sequences_max = 2;
  Scheduler scheduler = make(options);
  JobRequest lazy = request_of(some_tokens(20, 1), 30);
  lazy.events_max = 5;
  Job job = scheduler.submit(lazy);
  Job other = scheduler.submit(request_of(some_tokens(20, 2), 40));
  Said said = run_all(scheduler, {&other, 1}).front();
  EXPECT_EQ(said.tokens.size(), 40u);
  EXPECT_EQ(job.state(), JobState::kPaused);
  EXPECT_EQ(scheduler.statistics().jobs_paused, 1);
  EXPECT_FALSE(scheduler.step());
  // A paused job takes no place from others.
  Job third = scheduler.submit(request_of(some_tokens(20, 3), 4));
  Job fourth = scheduler.submit(request_of(some_tokens(20, 4), 4));
  scheduler.step();
  EXPECT_EQ(third.state(), JobState::kGenerating);
  EXPECT_EQ(fourth.state(), JobState::kGenerating);
  int pulled = 0;
  while (job.next(std::chrono::milliseconds(0))) ++pulled;
  EXPECT_EQ(pulled, 5);
  const Said rest = run_all(scheduler, {&job, 1}).front();
  EXPECT_EQ(rest.tokens.size(), 25u);
  EXPECT_EQ(rest.reason, StopReason::kTokensMax);
  Said whole = alone(*context_, tiny_, lazy);
  EXPECT_TRUE(std::equal(rest.tokens.begin(), rest.tokens.end(), whole.tokens.begin() + 5));
}

TEST_F(SchedulerTest, AHookTellsThatEventsAreThere) {
  Scheduler scheduler = make();
  int calls = 0;
  JobRequest request = request_of(some_tokens(20, 1), 10);
  request.on_events = [&] { ++calls; };
  Job job = scheduler.submit(request);
  while (scheduler.step()) continue;
  EXPECT_EQ(calls, 1) << "nobody pulled, so there is nothing new to tell";
  Said said;
  pull(job, said);
  EXPECT_EQ(said.tokens.size(), 10u);
}

TEST_F(SchedulerTest, ItsEndIsTheEndOfItsJobs) {
  std::shared_ptr<SessionState> state;
  std::vector<Job> jobs;
  {
    Scheduler scheduler = make();
    state = scheduler.make_state();
    JobRequest request = request_of(some_tokens(20, 1), 100);
    request.state = state;
    jobs.push_back(scheduler.submit(request));
    scheduler.step();
    jobs.push_back(scheduler.submit(request_of(some_tokens(20, 1), 100)));
  }
  for (Job& job : jobs) {
    Said said;
    pull(job, said);
    EXPECT_EQ(said.reason, StopReason::kCancelled);
    job.cancel();
  }
  EXPECT_FALSE(state->in_use());
  EXPECT_EQ(state->length(), 20);
}

TEST_F(SchedulerTest, AThreadOfItsOwnSteps) {
  const JobRequest request = request_of(some_tokens(30, 1), 20);
  const Said expected = alone(*context_, tiny_, request);
  Scheduler scheduler = make();
  scheduler.start();
  for (int i = 0; i < 3; ++i) {
    Job job = scheduler.submit(request);
    EXPECT_EQ(testing::wait_for(job), expected);
  }
  scheduler.stop();
  Job job = scheduler.submit(request);
  EXPECT_FALSE(job.next(std::chrono::milliseconds(5)));
  scheduler.start();
  EXPECT_EQ(testing::wait_for(job).tokens.size(), 20u);
}

TEST_F(SchedulerTest, OtherWorkIsDoneBetweenSteps) {
  Scheduler scheduler = make();
  scheduler.start();
  Job job = scheduler.submit(request_of(some_tokens(30, 1), 50));
  int done = 0;
  std::thread::id where;
  for (int i = 0; i < 5; ++i) {
    scheduler.run([&] {
      ++done;
      where = std::this_thread::get_id();
    });
  }
  EXPECT_EQ(done, 5);
  EXPECT_NE(where, std::this_thread::get_id());
  EXPECT_THROW(scheduler.run([] { throw Error(ErrorCode::kIo, "test: no"); }), Error);
  EXPECT_EQ(testing::wait_for(job).tokens.size(), 50u);
}

TEST_F(SchedulerTest, AGovernorSetsThePaceOfItsThread) {
  ThreadPool threads(2);
  std::atomic<int> rests{0};
  GovernorWorld world;
  world.root = folder_.path();
  world.wait = [&](std::chrono::nanoseconds) { ++rests; };
  Governor governor(threads, {.tokens_per_second_max = 0.01}, {}, world);
  const Context context{threads, (*context_).kernels, {}};
  SchedulerOptions options = small_steps();
  options.governor = &governor;
  const JobRequest request = request_of(some_tokens(30, 1), 5);
  const Said expected = alone(*context_, tiny_, request);
  {
    Scheduler scheduler(context, tiny_.model, tiny_.tokenizer, options);
    scheduler.start();
    Job job = scheduler.submit(request);
    EXPECT_EQ(testing::wait_for(job), expected);
  }
  EXPECT_GE(rests, 3);

  // A real rest of 100 seconds does not keep stop() waiting.
  world.wait = {};
  Governor slow(threads, {.tokens_per_second_max = 0.01}, {}, world);
  options.governor = &slow;
  Scheduler scheduler(context, tiny_.model, tiny_.tokenizer, options);
  scheduler.start();
  Job job = scheduler.submit(request);
  EXPECT_TRUE(job.next());
  EXPECT_TRUE(job.next()) << "the second token comes before the first rest";
  const auto begin = std::chrono::steady_clock::now();
  scheduler.stop();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
}

template <typename Change>
void expect_refused(Scheduler& scheduler, ErrorCode code, const Change& change) {
  JobRequest request = request_of(some_tokens(20, 1), 5);
  change(request);
  try {
    const Job job = scheduler.submit(std::move(request));
    ADD_FAILURE() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
  }
}

TEST_F(SchedulerTest, RefusesJobsThatMakeNoSense) {
  constexpr int64_t kHuge = std::numeric_limits<int64_t>::max();
  constexpr int64_t kTiny = std::numeric_limits<int64_t>::min();
  Scheduler scheduler = make();
  const auto refused = [&](const auto& change) {
    expect_refused(scheduler, ErrorCode::kInvalidArgument, change);
  };
  refused([](JobRequest& r) { r.tokens.clear(); });
  refused([](JobRequest& r) { r.tokens[3] = -1; });
  refused([](JobRequest& r) { r.tokens[3] = 400; });
  for (const int64_t bad : {int64_t{0}, int64_t{-1}, kTiny, kHuge}) {
    refused([bad](JobRequest& r) { r.events_max = bad; });
  }
  for (const int64_t bad : {int64_t{-2}, kTiny}) {
    refused([bad](JobRequest& r) { r.options.generator.tokens_max = bad; });
  }
  refused([](JobRequest& r) { r.options.generator.stop_tokens = {400}; });
  refused([](JobRequest& r) { r.options.stop_strings = {""}; });
  EnergyMeter meter;
  refused([&](JobRequest& r) { r.options.generator.energy = &meter; });
  refused([](JobRequest& r) {
    r.options.generator.sampler.temperature = std::numeric_limits<float>::quiet_NaN();
  });
  for (const double share : {0.0, -1.0, 2.0, std::numeric_limits<double>::quiet_NaN()}) {
    refused([share](JobRequest& r) {
      r.overflow = OverflowPolicy::kShift;
      r.shift.drop_share = share;
    });
  }
  Scheduler other = make();
  refused([&](JobRequest& r) { r.state = other.make_state(); });
  expect_refused(scheduler, ErrorCode::kLimit, [](JobRequest& r) {
    r.overflow = OverflowPolicy::kShift;
    r.shift.sinks = 128;
  });
  expect_refused(scheduler, ErrorCode::kLimit,
                 [](JobRequest& r) { r.tokens = some_tokens(129, 1); });
  // What makes sense all the same.
  JobRequest request = request_of(some_tokens(20, 1), kHuge);
  request.overflow = OverflowPolicy::kStop;
  request.priority = std::numeric_limits<int>::max();
  EXPECT_EQ(run_one(scheduler, request).tokens.size(), 109u);
  request.priority = std::numeric_limits<int>::min();
  EXPECT_EQ(run_one(scheduler, request).tokens.size(), 109u);
  EXPECT_EQ(scheduler.statistics().jobs_ended, 2);
  EXPECT_EQ(scheduler.statistics().jobs_waiting, 0);
}

TEST_F(SchedulerTest, RefusesOptionsThatMakeNoSense) {
  constexpr int64_t kHuge = std::numeric_limits<int64_t>::max();
  constexpr int64_t kTiny = std::numeric_limits<int64_t>::min();
  const auto refused = [&](auto member, int64_t value) {
    SchedulerOptions options = small_steps();
    options.*member = value;
    EXPECT_THROW(make(options), Error) << value;
  };
  for (const int64_t bad : {int64_t{0}, int64_t{-1}, kTiny, kHuge}) {
    refused(&SchedulerOptions::batch_tokens, bad);
    refused(&SchedulerOptions::prompt_tokens_beside, bad);
    refused(&SchedulerOptions::sequences_max, bad);
    refused(&SchedulerOptions::jobs_max, bad);
  }
  refused(&SchedulerOptions::batch_tokens, 37);
  refused(&SchedulerOptions::prompt_tokens_beside, 17);
  for (const double bad : {-1.0, 1e7, std::nan("")}) {
    SchedulerOptions options = small_steps();
    options.prompt_seconds_beside = bad;
    EXPECT_THROW(make(options), Error) << bad;
  }
  for (const int64_t bad : {int64_t{-1}, int64_t{129}, kTiny, kHuge}) {
    refused(&SchedulerOptions::context_tokens, bad);
  }
  SchedulerOptions options = small_steps();
  options.kv_type = DataType::kQ4_1;
  EXPECT_THROW(make(options), Error);
  options = small_steps();
  options.kv_bytes_max = 1;
  EXPECT_THROW(make(options), Error);
}

TEST_F(SchedulerTest, RefusesMoreJobsThanMayWait) {
  SchedulerOptions options = small_steps();
  options.jobs_max = 2;
  Scheduler scheduler = make(options);
  std::vector<Job> jobs;
  for (int i = 0; i < 2; ++i) jobs.push_back(scheduler.submit(request_of(some_tokens(20, 1), 2)));
  expect_refused(scheduler, ErrorCode::kLimit, [](JobRequest&) {});
  run_all(scheduler, jobs);
  EXPECT_EQ(run_one(scheduler, request_of(some_tokens(20, 1), 2)).tokens.size(), 2u);
}

}  // namespace
}  // namespace minim
