#include "base/rng.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <vector>

namespace minim {
namespace {

TEST(Rng, MixesLikeSplitMix64) {
  // The published outputs for the seed 1234567.
  EXPECT_EQ(mix_bits(1234567), 6457827717110365317u);
  EXPECT_EQ(mix_bits(1234567 + 0x9e3779b97f4a7c15u), 3203168211198807973u);
}

TEST(Rng, IsXoshiro256StarStar) {
  Rng rng(42);
  EXPECT_EQ(rng.next(), 0x15780b2e0c2ec716u);
  EXPECT_EQ(rng.next(), 0x6104d9866d113a7eu);
  EXPECT_EQ(rng.next(), 0xae17533239e499a1u);
  Rng zero(0);
  EXPECT_EQ(zero.next(), 0x99ec5f36cb75f2b4u);
}

TEST(Rng, UniformStaysBelowOneAndFillsTheInterval) {
  Rng rng(3);
  std::vector<int> counts(16);
  constexpr int kDraws = 160'000;
  for (int i = 0; i < kDraws; ++i) {
    const float value = rng.uniform();
    ASSERT_GE(value, 0.0f);
    ASSERT_LT(value, 1.0f);
    ++counts[static_cast<size_t>(value * 16.0f)];
  }
  double chi_square = 0;
  for (const int count : counts) chi_square += std::pow(count - kDraws / 16, 2) / (kDraws / 16);
  EXPECT_LT(chi_square, 37.7);  // 15 degrees of freedom: exceeded once in a thousand seeds
}

TEST(Rng, BelowIsUniformOverItsRange) {
  Rng rng(4);
  std::vector<int> counts(7);
  constexpr int kDraws = 70'000;
  for (int i = 0; i < kDraws; ++i) {
    const uint64_t value = rng.below(7);
    ASSERT_LT(value, 7u);
    ++counts[value];
  }
  double chi_square = 0;
  for (const int count : counts) chi_square += std::pow(count - kDraws / 7, 2) / (kDraws / 7);
  EXPECT_LT(chi_square, 22.5);  // 6 degrees of freedom
}

TEST(Rng, BelowTakesExtremeBounds) {
  Rng rng(5);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(rng.below(1), 0u);
  // Just above half the range: a plain remainder would hit the lower half twice as often.
  const uint64_t bound = (uint64_t{1} << 63) + 1;
  int low = 0;
  for (int i = 0; i < 10'000; ++i) {
    const uint64_t value = rng.below(bound);
    ASSERT_LT(value, bound);
    low += value < bound / 2 ? 1 : 0;
  }
  EXPECT_NEAR(low, 5000, 200);
  EXPECT_LT(rng.below(UINT64_MAX), UINT64_MAX);
}

TEST(Rng, NormalHasItsMoments) {
  Rng rng(6);
  constexpr int kDraws = 200'000;
  double sum = 0, square = 0, cube = 0, fourth = 0;
  for (int i = 0; i < kDraws; ++i) {
    const auto value = static_cast<double>(rng.normal());
    ASSERT_TRUE(std::isfinite(value));
    sum += value;
    square += value * value;
    cube += value * value * value;
    fourth += value * value * value * value;
  }
  EXPECT_NEAR(sum / kDraws, 0.0, 0.01);
  EXPECT_NEAR(square / kDraws, 1.0, 0.015);
  EXPECT_NEAR(cube / kDraws, 0.0, 0.04);
  EXPECT_NEAR(fourth / kDraws, 3.0, 0.1);
}

TEST(Rng, SeedsGiveDifferentStreams) {
  std::set<uint64_t> first;
  for (uint64_t seed = 0; seed < 1000; ++seed) first.insert(Rng(seed).next());
  EXPECT_EQ(first.size(), 1000u);
  Rng a(9);
  Rng b(9);
  for (int i = 0; i < 100; ++i) ASSERT_EQ(a.next(), b.next());
}

}  // namespace
}  // namespace minim
