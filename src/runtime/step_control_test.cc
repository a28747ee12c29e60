#include "runtime/step_control.h"

#include <gtest/gtest.h>

namespace minim {
namespace {

using std::chrono::seconds;

constexpr StepControlOptions kOptions = {seconds(2), seconds(10), seconds(80)};

int next(int rung, int last) { return rung < last ? rung + 1 : last; }

TEST(StepControl, GoesDownQuicklyAndUpSlowly) {
  StepControl control(3, kOptions);
  EXPECT_TRUE(control.update(seconds(0), Demand::kLess, next));
  EXPECT_FALSE(control.update(seconds(1), Demand::kLess, next)) << "too soon";
  EXPECT_TRUE(control.update(seconds(2), Demand::kLess, next));
  EXPECT_EQ(control.rung(), 2);
  for (int second = 3; second < 12; ++second) {
    EXPECT_FALSE(control.update(seconds(second), Demand::kMore, next)) << second;
  }
  EXPECT_TRUE(control.update(seconds(12), Demand::kMore, next));
  EXPECT_EQ(control.rung(), 1);
  EXPECT_FALSE(control.update(seconds(13), Demand::kHold, next));
}

TEST(StepControl, TheFloorIsReachedAtOnceAndNotPassed) {
  StepControl control(5, kOptions);
  EXPECT_TRUE(control.update(seconds(0), Demand::kFloor, next));
  EXPECT_EQ(control.rung(), 5);
  EXPECT_FALSE(control.update(seconds(9), Demand::kLess, next));
  EXPECT_FALSE(control.update(seconds(9), Demand::kFloor, next));
}

TEST(StepControl, OneGoodMomentIsNoReasonToRise) {
  StepControl control(3, kOptions);
  control.update(seconds(0), Demand::kLess, next);
  EXPECT_FALSE(control.update(seconds(20), Demand::kMore, next)) << "has to last";
  EXPECT_FALSE(control.update(seconds(21), Demand::kHold, next));
  EXPECT_FALSE(control.update(seconds(22), Demand::kMore, next));
  EXPECT_TRUE(control.update(seconds(24), Demand::kMore, next));
}

// A rung that cannot be kept is tried again after 10, 20, 40 and then every 80 seconds.
TEST(StepControl, StepsThatHaveToBeTakenBackBecomeRarer) {
  StepControl control(3, kOptions);
  control.update(seconds(0), Demand::kLess, next);
  int rises = 0;
  int64_t last_rise = 0;
  int64_t longest = 0;
  for (int64_t second = 1; second <= 1000; ++second) {
    const Demand demand = control.rung() == 0 ? Demand::kLess : Demand::kMore;
    if (!control.update(seconds(second), demand, next) || control.rung() > 0) continue;
    ++rises;
    longest = std::max(longest, second - last_rise);
    last_rise = second;
  }
  EXPECT_LE(rises, 15);
  EXPECT_GE(rises, 10);
  EXPECT_GE(longest, 80);
}

}  // namespace
}  // namespace minim
