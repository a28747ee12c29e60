#include "base/system_random.h"

#include <gtest/gtest.h>

#include <set>

namespace minim {
namespace {

TEST(SystemRandomTest, NeverGivesTheSameTwiceAndUsesEveryBit) {
  constexpr int kCount = 1000;
  std::set<uint64_t> seen;
  uint64_t ones = 0, zeros = 0;
  for (int i = 0; i < kCount; ++i) {
    const uint64_t value = system_random();
    seen.insert(value);
    ones |= value;
    zeros |= ~value;
  }
  EXPECT_EQ(seen.size(), kCount);
  EXPECT_EQ(ones, UINT64_MAX);
  EXPECT_EQ(zeros, UINT64_MAX);
}

}  // namespace
}  // namespace minim
