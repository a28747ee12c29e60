// A bound on keys and values: jobs wait for memory, and everything comes back.
#include <gtest/gtest.h>

#include <unistd.h>
#include <fstream>
#include <string>

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

// Of 32 tokens of the tiny model, in half precision.
constexpr size_t kBlockBytes = size_t{32} * 2 * 2 * 2 * 16 * 2;

SchedulerOptions bounded(int64_t blocks, bool keeps_prefixes) {
  SchedulerOptions options = small_steps();
  options.kv_bytes_max = kBlockBytes * static_cast<size_t>(blocks);
  if (!keeps_prefixes) options.prefix_bytes_max = 0;
  return options;
}

TEST_F(SchedulerTest, JobsWaitForMemoryAndAllAreServed) {
  for (const bool keeps_prefixes : {false, true}) {
    SCOPED_TRACE(keeps_prefixes);
    Scheduler scheduler = make(bounded(7, keeps_prefixes));
    std::vector<JobRequest> requests;
    std::vector<Job> jobs;
    for (uint64_t i = 0; i < 14; ++i) {
      requests.push_back(request_of(some_tokens(20 + i % 3 * 30, i % 5), 20, i));
      jobs.push_back(scheduler.submit(requests.back()));
    }
    scheduler.step();
    EXPECT_EQ(scheduler.statistics().blocks_max, 7);
    EXPECT_LT(scheduler.statistics().jobs_running, 5);
    const auto said = run_all(scheduler, jobs);
    for (size_t i = 0; i < said.size(); ++i) {
      EXPECT_EQ(said[i], alone(*context_, tiny_, requests[i])) << i;
    }
    EXPECT_LE(scheduler.statistics().blocks_used, 7);
    if (!keeps_prefixes) {
      EXPECT_EQ(scheduler.statistics().blocks_used, 0);
    }
  }
}

TEST_F(SchedulerTest, AJobThatCouldNeverFitIsRefusedAtOnce) {
  Scheduler scheduler = make(bounded(2, true));
  try {
    const Job job = scheduler.submit(request_of(some_tokens(60, 1), 5));
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kLimit);
    EXPECT_NE(std::string(error.what()).find("kv_bytes_max"), std::string::npos);
  }
  EXPECT_EQ(run_one(scheduler, request_of(some_tokens(60, 1), 4)).tokens.size(), 4u);
  // What an earlier job left for others makes room.
  EXPECT_EQ(run_one(scheduler, request_of(some_tokens(60, 2), 4)).tokens.size(), 4u);
  EXPECT_EQ(run_one(scheduler, request_of(some_tokens(60, 2), 4)).tokens.size(), 4u);
}

TEST_F(SchedulerTest, WhoWaitsForIdleSessionsIsToldSo) {
  Scheduler scheduler = make(bounded(4, false));
  const auto idle = scheduler.make_state();
  JobRequest request = request_of(some_tokens(60, 1), 4);
  request.state = idle;
  run_one(scheduler, request);
  Job job = scheduler.submit(request_of(some_tokens(90, 2), 6));
  Said said;
  scheduler.step();
  pull(job, said);
  EXPECT_EQ(said.waits, 1);
  EXPECT_EQ(job.state(), JobState::kWaitingForMemory);
  EXPECT_FALSE(scheduler.step());
  // Smaller ones do not overtake it for ever; they wait behind it.
  Job small = scheduler.submit(request_of(some_tokens(5, 2), 3));
  EXPECT_FALSE(scheduler.step());
  EXPECT_EQ(small.state(), JobState::kWaiting);
  idle->rewind(0);
  pull(job, said);
  std::vector<Job> jobs;
  jobs.push_back(std::move(job));
  jobs.push_back(std::move(small));
  const auto rest = run_all(scheduler, jobs);
  EXPECT_EQ(rest[0].tokens.size(), 6u);
  EXPECT_EQ(rest[1].tokens.size(), 3u);
}

TEST_F(SchedulerTest, AThreadThatWaitsForMemorySeesItComeBack) {
  Scheduler scheduler = make(bounded(4, false));
  scheduler.start();
  auto idle = scheduler.make_state();
  JobRequest request = request_of(some_tokens(60, 1), 4);
  request.state = idle;
  Job first = scheduler.submit(request);
  testing::wait_for(first);
  Job job = scheduler.submit(request_of(some_tokens(90, 2), 6));
  const auto event = job.next();
  ASSERT_TRUE(event);
  EXPECT_EQ(event->kind, GenerationEvent::Kind::kWaiting);
  request = {};
  first = {};
  idle.reset();
  EXPECT_EQ(testing::wait_for(job).tokens.size(), 6u);
}

// Long ones, copies and dropped tokens under a bound that they fill: nobody finds the pool full.
TEST_F(SchedulerTest, AdmittedJobsNeverRunOutOfMemory) {
  for (const bool keeps_prefixes : {false, true}) {
    SCOPED_TRACE(keeps_prefixes);
    Scheduler scheduler = make(bounded(17, keeps_prefixes));
    Rng rng(5);
    std::vector<std::shared_ptr<SessionState>> states;
    for (int i = 0; i < 3; ++i) states.push_back(scheduler.make_state());
    for (int round = 0; round < 12; ++round) {
      std::vector<Job> jobs;
      for (auto& state : states) {
        if (rng.below(4) == 0) state = scheduler.make_state();
        if (rng.below(4) == 0) state->rewind(0);
        JobRequest request = request_of(some_tokens(1 + rng.below(60), rng.below(3)),
                                        static_cast<int64_t>(rng.below(80)));
        request.state = state;
        request.overflow = OverflowPolicy::kShift;
        request.shift.reread = rng.below(3) == 0;
        if (rng.below(3) == 0) {
          request.overflow = OverflowPolicy::kStop;
          state->rewind(0);
        }
        jobs.push_back(scheduler.submit(request));
      }
      for (uint64_t i = rng.below(3); i > 0; --i) {
        jobs.push_back(scheduler.submit(request_of(some_tokens(1 + rng.below(90), rng.below(3)),
                                                   static_cast<int64_t>(rng.below(30)))));
      }
      for (const Said& said : run_all(scheduler, jobs)) EXPECT_FALSE(said.failed) << said.message;
      for (Job& job : jobs) ASSERT_TRUE(job.finished()) << job_state_name(job.state());
      ASSERT_LE(scheduler.statistics().blocks_used, 17);
    }
    states.clear();
    if (!keeps_prefixes) {
      EXPECT_EQ(scheduler.statistics().blocks_used, 0);
    }
  }
}

TEST_F(SchedulerTest, RestoringASessionTakesNothingThatIsSetAside) {
  Scheduler scheduler = make(bounded(4, false));
  const auto state = scheduler.make_state();
  JobRequest request = request_of(some_tokens(60, 1), 4);
  request.state = state;
  run_one(scheduler, request);
  const auto saved = state->save();
  state->rewind(0);
  Job job = scheduler.submit(request_of(some_tokens(20, 1), 80));
  scheduler.step();
  EXPECT_EQ(scheduler.statistics().blocks_used, 1);
  EXPECT_THROW(state->restore(saved), Error);
  EXPECT_EQ(run_all(scheduler, {&job, 1}).front().tokens.size(), 80u);
  EXPECT_NO_THROW(state->restore(saved));
}

// Bytes of this process in memory; 0 where the system does not say.
int64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  int64_t pages = 0, resident = 0;
  if (!(file >> pages >> resident)) return 0;
  return resident * sysconf(_SC_PAGESIZE);
}

TEST_F(SchedulerTest, TenThousandSessionsLeaveNothingBehind) {
  SchedulerOptions options = small_steps();
  options.prefix_bytes_max = 0;
  Scheduler scheduler = make(options);
  int64_t before = 0;
  for (int session = 0; session < 10000; session += 20) {
    std::vector<Job> jobs;
    for (int i = 0; i < 20; ++i) {
      JobRequest request = request_of({TokenId(3 + (session + i) % 390)}, 1);
      if (i % 2 == 0) request.state = scheduler.make_state();
      if (i % 5 == 0) request.on_events = [text = std::string(1000, 'x')] { (void)text; };
      jobs.push_back(scheduler.submit(std::move(request)));
      if (i % 7 == 0) jobs.back().cancel();
    }
    while (scheduler.step()) continue;
    ASSERT_EQ(scheduler.statistics().blocks_used, 0);
    if (session == 2000) before = resident_bytes();
  }
  EXPECT_EQ(scheduler.statistics().jobs_ended, 10000);
  EXPECT_EQ(scheduler.statistics().jobs_waiting, 0);
  const int64_t growth = resident_bytes() - before;
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // they keep what was freed
  EXPECT_LT(growth, 8000 * 64) << "more than 64 bytes a session";
#else
  static_cast<void>(growth);
#endif
}

}  // namespace
}  // namespace minim
