#include "eval/tuner.h"

#include <gtest/gtest.h>

namespace minim {
namespace {

TEST(TunerTest, ChoosesTheSmallestOfThoseThatAreFast) {
  EXPECT_EQ(choose_value({{1, 50}, {2, 98}, {4, 100}, {8, 99}}), 2);
  EXPECT_EQ(choose_value({{1, 50}, {2, 96}, {4, 100}, {8, 40}}), 4);
  EXPECT_EQ(choose_value({{3, 0}}), 3);
}

TEST(TunerTest, TriesAllCountsOfFewThreadsAndSomeOfMany) {
  EXPECT_EQ(thread_candidates(1), std::vector<int>{1});
  EXPECT_EQ(thread_candidates(3), (std::vector<int>{1, 2, 3}));
  EXPECT_EQ(thread_candidates(12), (std::vector<int>{1, 2, 4, 6, 8, 9, 12}));
  EXPECT_EQ(thread_candidates(64), (std::vector<int>{1, 2, 4, 8, 16, 32, 48, 64}));
}

}  // namespace
}  // namespace minim
