// Many threads that submit, pull, cancel and let go at once; to be run under ThreadSanitizer too.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "runtime/testing/scheduler_rig.h"

namespace minim {
namespace {

using testing::alone;
using testing::request_of;
using testing::Said;
using testing::SchedulerTest;
using testing::small_steps;
using testing::some_tokens;

TEST_F(SchedulerTest, EightThreadsWithSixtyFourSessions) {
  constexpr int kThreads = 8;
  constexpr uint64_t kSessions = 8;  // of each
  std::vector<Said> expected;
  for (uint64_t i = 0; i < 4; ++i) {
    expected.push_back(alone(*context_, tiny_, request_of(some_tokens(10 + i * 11, i), 8, i)));
  }
  SchedulerOptions options = small_steps();
  options.sequences_max = 12;
  options.kv_bytes_max = size_t{200} << 10;
  options.prefix_bytes_max = size_t{50} << 10;
  Scheduler scheduler = make(options);
  scheduler.start();
  std::atomic<int> wrong{0};
  std::atomic<int> cancelled{0};
  const auto work = [&](uint64_t seed) {
    Rng rng(seed);
    for (uint64_t session = 0; session < kSessions; ++session) {
      const uint64_t which = rng.below(4);
      std::atomic<int> calls{0};
      JobRequest request = request_of(some_tokens(10 + which * 11, which), 8, which);
      request.events_max = 1 + static_cast<int64_t>(rng.below(6));
      request.priority = static_cast<int>(rng.below(3));
      request.on_events = [&calls] { ++calls; };
      std::shared_ptr<SessionState> state;
      if (rng.below(2) == 0) request.state = state = scheduler.make_state();
      Job job = scheduler.submit(std::move(request));
      const uint64_t stop_after = rng.below(3) == 0 ? rng.below(6) : 1000;
      Said said;
      for (uint64_t pulled = 0; const auto event = job.next(); ++pulled) {
        said.add(*event);
        if (pulled == stop_after) job.cancel();
      }
      if (said.reason == StopReason::kCancelled) {
        ++cancelled;
      } else if (!(said == expected[which])) {
        ++wrong;
      }
      if (calls == 0) ++wrong;
      if (state != nullptr) {
        const auto copy = state->clone();
        if (copy->length() != state->length()) ++wrong;
      }
      scheduler.statistics();
    }
  };
  std::vector<std::thread> threads;
  for (uint64_t i = 0; i < kThreads; ++i) threads.emplace_back(work, i + 1);
  for (std::thread& thread : threads) thread.join();
  scheduler.stop();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(scheduler.statistics().jobs_ended, kThreads * int64_t{kSessions});
  EXPECT_GT(cancelled, 0);
}

}  // namespace
}  // namespace minim
