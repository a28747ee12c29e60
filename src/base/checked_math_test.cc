#include "base/checked_math.h"

#include <gtest/gtest.h>

#include <limits>

namespace minim {
namespace {

constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();
constexpr int64_t kSignedMax = std::numeric_limits<int64_t>::max();
constexpr int64_t kSignedMin = std::numeric_limits<int64_t>::min();

TEST(CheckedMath, SumsThatFit) {
  EXPECT_EQ(checked_add<uint64_t>(kMax - 1, 1), kMax);
  EXPECT_EQ(checked_add<int64_t>(kSignedMax, kSignedMin), -1);
  EXPECT_EQ(checked_add<uint8_t>(200, 55), 255);
}

TEST(CheckedMath, SumsThatOverflow) {
  EXPECT_EQ(checked_add<uint64_t>(kMax, 1), std::nullopt);
  EXPECT_EQ(checked_add<int64_t>(kSignedMax, 1), std::nullopt);
  EXPECT_EQ(checked_add<int64_t>(kSignedMin, -1), std::nullopt);
  EXPECT_EQ(checked_add<uint8_t>(200, 56), std::nullopt);
}

TEST(CheckedMath, ProductsThatFit) {
  EXPECT_EQ(checked_multiply<uint64_t>(uint64_t{1} << 32, (uint64_t{1} << 32) - 1),
            kMax - ((uint64_t{1} << 32) - 1));
  EXPECT_EQ(checked_multiply<uint64_t>(kMax, 0), 0u);
  EXPECT_EQ(checked_multiply<int64_t>(kSignedMin, 1), kSignedMin);
}

TEST(CheckedMath, ProductsThatOverflow) {
  EXPECT_EQ(checked_multiply<uint64_t>(uint64_t{1} << 32, uint64_t{1} << 32), std::nullopt);
  EXPECT_EQ(checked_multiply<int64_t>(kSignedMin, -1), std::nullopt);
  // Wraps to 4: the product of these three dimensions broke a reader elsewhere.
  const auto rows = checked_multiply<uint64_t>(4194305, 4194305);
  ASSERT_TRUE(rows.has_value());
  EXPECT_EQ(checked_multiply<uint64_t>(*rows, 211106198978564), std::nullopt);
}

TEST(CheckedMath, AligningUp) {
  EXPECT_EQ(checked_align_up(0, 32), 0u);
  EXPECT_EQ(checked_align_up(1, 32), 32u);
  EXPECT_EQ(checked_align_up(32, 32), 32u);
  EXPECT_EQ(checked_align_up(33, 1), 33u);
  EXPECT_EQ(checked_align_up(kMax - 31, 32), kMax - 31);
  EXPECT_EQ(checked_align_up(kMax - 30, 32), std::nullopt);
  EXPECT_EQ(checked_align_up(1, uint64_t{1} << 63), uint64_t{1} << 63);
  EXPECT_EQ(checked_align_up((uint64_t{1} << 63) + 1, uint64_t{1} << 63), std::nullopt);
}

}  // namespace
}  // namespace minim
