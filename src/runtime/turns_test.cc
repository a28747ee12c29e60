#include "runtime/turns.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace minim {
namespace {

TEST(Turns, OneAtATimeAndNobodyStarves) {
  Turns turns;
  std::atomic<int> inside{0};
  std::atomic<bool> stopping{false};
  std::vector<std::atomic<int64_t>> counts(4);
  std::vector<std::thread> threads;
  for (auto& count : counts) {
    threads.emplace_back([&] {
      while (!stopping) {
        const Turns::Turn turn(turns);
        EXPECT_EQ(inside.fetch_add(1), 0);
        ++count;
        inside.fetch_sub(1);
      }
    });
  }
  for (const auto& count : counts) {
    while (count < 50) std::this_thread::yield();
  }
  stopping = true;
  for (std::thread& thread : threads) thread.join();
}

TEST(Turns, AreTakenInTheOrderInWhichTheyWereAskedFor) {
  Turns turns;
  std::vector<int> order;
  std::vector<std::thread> threads;
  {
    const Turns::Turn held(turns);
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&, i] {
        const Turns::Turn turn(turns);
        order.push_back(i);
      });
      while (turns.waiting() < i + 1) std::this_thread::yield();
    }
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3}));
}

}  // namespace
}  // namespace minim
