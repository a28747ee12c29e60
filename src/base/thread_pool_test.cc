// Every task once, exceptions back to the caller, many jobs in a row; run under ThreadSanitizer
// too.
#include "base/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <numeric>
#include <set>
#include <stdexcept>
#include <vector>

#include "base/error.h"

namespace minim {
namespace {

class EveryThreadCount : public ::testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(ThreadPool, EveryThreadCount, ::testing::Range(1, 9));

TEST_P(EveryThreadCount, RunsEveryTaskOnce) {
  ThreadPool pool(GetParam());
  EXPECT_EQ(pool.thread_count(), GetParam());
  for (const int64_t tasks : {0, 1, 2, 3, 7, 8, 9, 64, 1000}) {
    std::vector<std::atomic<int>> runs(static_cast<size_t>(tasks));
    pool.run(tasks, [&](int64_t task) { ++runs[static_cast<size_t>(task)]; });
    for (const auto& count : runs) ASSERT_EQ(count, 1) << tasks;
  }
}

TEST_P(EveryThreadCount, TheMostOfAKindOfWorkAndOfAllHold) {
  const int all = GetParam();
  ThreadPool pool(all);
  pool.set_most(ThreadWork::kMemory, 3);
  EXPECT_EQ(pool.active_count(), all) << "arithmetic comes first";
  pool.begin_work(ThreadWork::kMemory);
  EXPECT_EQ(pool.active_count(), std::min(3, all));
  pool.set_active_count(std::min(2, all));
  EXPECT_EQ(pool.active_count(), std::min(2, all));
  pool.begin_work(ThreadWork::kArithmetic);
  EXPECT_EQ(pool.active_count(), std::min(2, all));
  pool.set_active_count(all);
  EXPECT_EQ(pool.active_count(), all);
  pool.set_most(ThreadWork::kArithmetic, 1);
  EXPECT_EQ(pool.active_count(), 1);
  pool.set_most(ThreadWork::kArithmetic, 0);
  EXPECT_EQ(pool.active_count(), all);

  for (int job = 0; job < 300; ++job) {
    pool.begin_work(job % 3 == 0 ? ThreadWork::kArithmetic : ThreadWork::kMemory);
    std::atomic<int> count{0};
    pool.run(20, [&](int64_t) { ++count; });
    ASSERT_EQ(count, 20);
  }
}

TEST_P(EveryThreadCount, WhatTasksWroteIsSeenAfterwards) {
  ThreadPool pool(GetParam());
  std::vector<int64_t> values(257);  // not atomic: run() itself must order the accesses
  for (int64_t job = 1; job <= 200; ++job) {
    pool.run(static_cast<int64_t>(values.size()),
             [&](int64_t task) { values[static_cast<size_t>(task)] += job; });
  }
  for (const int64_t value : values) ASSERT_EQ(value, 200 * 201 / 2);
}

TEST_P(EveryThreadCount, ManySmallJobs) {
  ThreadPool pool(GetParam());
  std::atomic<int64_t> total{0};
  for (int job = 0; job < 3000; ++job) {
    pool.run(1 + job % 5, [&](int64_t task) { total += task + 1; });
  }
  EXPECT_EQ(total, 3000 / 5 * (1 + 3 + 6 + 10 + 15));
}

TEST_P(EveryThreadCount, WakesAfterARest) {
  ThreadPool pool(GetParam());
  for (int job = 0; job < 3; ++job) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));  // past the spinning
    std::atomic<int> count{0};
    pool.run(50, [&](int64_t) { ++count; });
    EXPECT_EQ(count, 50);
  }
}

TEST_P(EveryThreadCount, AnExceptionReachesTheCallerAndTheNextJobRuns) {
  ThreadPool pool(GetParam());
  for (int round = 0; round < 20; ++round) {
    for (const int64_t thrower : {0, 13, 99}) {
      try {
        pool.run(100, [&](int64_t task) {
          if (task == thrower) throw Error(ErrorCode::kLimit, "task");
        });
        FAIL() << "no exception";
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::kLimit);
      }
    }
    std::atomic<int> count{0};
    pool.run(100, [&](int64_t) { ++count; });
    EXPECT_EQ(count, 100);
  }
}

TEST_P(EveryThreadCount, OneOfManyExceptionsIsRethrown) {
  ThreadPool pool(GetParam());
  EXPECT_THROW(pool.run(64, [](int64_t) { throw std::runtime_error("all"); }), std::runtime_error);
}

TEST_P(EveryThreadCount, TasksAfterAnExceptionAreSkipped) {
  ThreadPool pool(GetParam());
  std::atomic<int64_t> begun{0};
  constexpr int64_t kTasks = 1'000'000;
  EXPECT_THROW(pool.run(kTasks,
                        [&](int64_t) {
                          ++begun;
                          throw std::runtime_error("first");
                        }),
               std::runtime_error);
  EXPECT_LE(begun, GetParam()) << "each thread stops at its first failure";
}

TEST_P(EveryThreadCount, RangesCoverEverythingOnce) {
  ThreadPool pool(GetParam());
  for (const int64_t count : {0, 1, 5, 31, 32, 33, 1000}) {
    for (const int64_t grain : {-1, 0, 1, 8, 32, 5000}) {
      std::vector<std::atomic<int>> runs(static_cast<size_t>(count));
      std::atomic<int64_t> parts{0};
      pool.run_ranges(count, grain, [&](int64_t begin, int64_t end) {
        ++parts;
        EXPECT_LT(begin, end);
        for (int64_t i = begin; i < end; ++i) ++runs[static_cast<size_t>(i)];
      });
      for (const auto& value : runs) ASSERT_EQ(value, 1);
      if (GetParam() == 1) {
        EXPECT_LE(parts, 1) << "one thread gets one range";
      }
      EXPECT_LE(parts, std::max<int64_t>(1, (count + std::max<int64_t>(grain, 1) - 1) /
                                                std::max<int64_t>(grain, 1)));
    }
  }
}

TEST_P(EveryThreadCount, PoolsComeAndGo) {
  for (int i = 0; i < 20; ++i) {
    ThreadPool pool(GetParam());
    if (i % 2 == 0) continue;  // destroyed without a job
    std::atomic<int> count{0};
    pool.run(10, [&](int64_t) { ++count; });
    EXPECT_EQ(count, 10);
  }
}

TEST(ThreadPool, AllThreadsTakePart) {
  ThreadPool pool(4);
  std::mutex mutex;
  std::set<std::thread::id> threads;
  std::atomic<int> waiting{0};
  // Each task waits for the other three, so that no thread can run two of them.
  pool.run(4, [&](int64_t) {
    ++waiting;
    while (waiting < 4) std::this_thread::yield();
    const std::lock_guard lock(mutex);
    threads.insert(std::this_thread::get_id());
  });
  EXPECT_EQ(threads.size(), 4u);
  EXPECT_TRUE(threads.contains(std::this_thread::get_id()));
}

TEST_P(EveryThreadCount, FewerThreadsDoTheSameWork) {
  ThreadPool pool(GetParam());
  for (int round = 0; round < 30; ++round) {
    for (int active = 1; active <= GetParam(); ++active) {
      pool.set_active_count(active);
      EXPECT_EQ(pool.active_count(), active);
      std::vector<std::atomic<int>> runs(100);
      pool.run(100, [&](int64_t task) { ++runs[static_cast<size_t>(task)]; });
      for (const auto& count : runs) ASSERT_EQ(count, 1);
    }
  }
  EXPECT_EQ(pool.thread_count(), GetParam());
}

TEST(ThreadPool, NoMoreThreadsTakePartThanAreActive) {
  ThreadPool pool(4);
  for (const int active : {2, 1, 3, 4, 2}) {
    pool.set_active_count(active);
    std::mutex mutex;
    std::set<std::thread::id> threads;
    for (int job = 0; job < 20; ++job) {
      pool.run(16, [&](int64_t) {
        const std::lock_guard lock(mutex);
        threads.insert(std::this_thread::get_id());
      });
    }
    EXPECT_LE(threads.size(), static_cast<size_t>(active));
  }
}

TEST(ThreadPool, ThreadsThatWereSentToSleepComeBack) {
  ThreadPool pool(3);
  pool.set_active_count(1);
  std::this_thread::sleep_for(std::chrono::milliseconds(2));
  pool.run(10, [](int64_t) {});
  pool.set_active_count(3);
  std::mutex mutex;
  std::set<std::thread::id> threads;
  // A worker may come too late for a job, but not for all of them.
  for (int job = 0; job < 2000 && threads.size() < 3; ++job) {
    pool.run(3, [&](int64_t) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      const std::lock_guard lock(mutex);
      threads.insert(std::this_thread::get_id());
    });
  }
  EXPECT_EQ(threads.size(), 3u);
}

TEST(ThreadPool, ACountThatChangesDuringJobsLosesNothing) {
  ThreadPool pool(4);
  std::atomic<bool> done{false};
  std::thread changer([&] {
    for (int i = 0; !done; ++i) pool.set_active_count(1 + i % 4);
  });
  std::atomic<int64_t> total{0};
  for (int job = 0; job < 2000; ++job) {
    pool.run(7, [&](int64_t task) { total += task + 1; });
  }
  done = true;
  changer.join();
  EXPECT_EQ(total, 2000 * 28);
}

TEST(ThreadPool, HooksAreCalledInEachThreadItMakes) {
  std::mutex mutex;
  std::map<int, std::thread::id> started;
  std::map<int, std::thread::id> ended;
  const auto note = [&](std::map<int, std::thread::id>& calls) {
    return [&](int index) {
      const std::lock_guard lock(mutex);
      EXPECT_TRUE(calls.emplace(index, std::this_thread::get_id()).second);
    };
  };
  { const ThreadPool pool(4, {.started = note(started), .ended = note(ended)}); }
  EXPECT_EQ(started.size(), 3u);
  EXPECT_EQ(started, ended);
  EXPECT_EQ(started.begin()->first, 0);
  for (const auto& [index, id] : started) EXPECT_NE(id, std::this_thread::get_id());
}

TEST(ThreadPool, NoThreadIsOurBug) { EXPECT_DEATH(ThreadPool pool(0), "internal error"); }

}  // namespace
}  // namespace minim
