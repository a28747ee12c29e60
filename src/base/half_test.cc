// Half and bfloat16 conversions against the definition of the formats, computed in double.
#include "base/half.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/rng.h"

namespace minim {
namespace {

// Sign, 5 bits of exponent, 10 of mantissa, as the IEEE format defines them. REQUIRES: finite.
double defined_value(uint16_t bits) {
  const int exponent = (bits >> 10) & 31;
  const int mantissa = bits & 0x3ff;
  const double magnitude =
      exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
  return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}

// The multiple of the format's spacing at `value` that is nearest, ties to even.
double nearest_of(float value, int mantissa_bits, int exponent_min, double largest) {
  int exponent;
  std::frexp(static_cast<double>(value), &exponent);
  const int spacing = std::max(exponent - 1, exponent_min) - mantissa_bits;
  const double rounded =
      std::ldexp(std::nearbyint(std::ldexp(static_cast<double>(value), -spacing)), spacing);
  if (std::fabs(rounded) > largest) return std::copysign(INFINITY, rounded);
  return rounded;
}

void expect_rounded(float value) {
  const auto half = static_cast<double>(half_to_float(float_to_half(value)));
  ASSERT_EQ(half, nearest_of(value, 10, -14, 65504.0)) << value;
  ASSERT_EQ(std::signbit(half), std::signbit(value)) << value;
  const auto brain = static_cast<double>(bfloat16_to_float(float_to_bfloat16(value)));
  ASSERT_EQ(brain, nearest_of(value, 7, -126, 0x1.fep127)) << value;
  ASSERT_EQ(std::signbit(brain), std::signbit(value)) << value;
}

TEST(Half, EveryHalfHasItsDefinedValueAndComesBack) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    if ((half & 0x7c00) == 0x7c00) continue;
    ASSERT_EQ(static_cast<double>(half_to_float(half)), defined_value(half)) << bits;
    ASSERT_EQ(float_to_half(half_to_float(half)), half);
  }
}

TEST(Half, InfinitiesAndNansStayWhatTheyAre) {
  EXPECT_EQ(half_to_float(0x7c00), INFINITY);
  EXPECT_EQ(half_to_float(0xfc00), -INFINITY);
  EXPECT_EQ(float_to_half(INFINITY), 0x7c00);
  EXPECT_EQ(float_to_half(-INFINITY), 0xfc00);
  for (uint32_t payload = 1; payload < 0x400; ++payload) {
    for (const uint32_t sign : {0u, 0x8000u}) {
      const auto half = static_cast<uint16_t>(sign | 0x7c00u | payload);
      ASSERT_TRUE(std::isnan(half_to_float(half)));
      const uint16_t back = float_to_half(half_to_float(half));
      ASSERT_EQ(back, half | 0x200) << "a NaN comes back quiet, with its payload";
    }
  }
  // A payload in the lowest bits only must not become infinity.
  EXPECT_TRUE(std::isnan(half_to_float(float_to_half(std::bit_cast<float>(0x7f800001u)))));
  EXPECT_TRUE(std::isnan(bfloat16_to_float(float_to_bfloat16(std::bit_cast<float>(0x7f800001u)))));
  EXPECT_EQ(float_to_bfloat16(INFINITY), 0x7f80);
}

TEST(Half, FloatsOfEveryExponentRoundToNearestEven) {
  // Around each tie of every exponent: mantissas that end in 0, 1/2 and next to them.
  for (uint32_t exponent = 0; exponent < 255; ++exponent) {
    for (uint32_t step = 0; step < 1024; step += 31) {
      for (int shift = 12; shift <= 22; ++shift) {
        for (const int offset : {-1, 0, 1}) {
          const uint32_t tie = (step << 13 | 1u << shift) + static_cast<uint32_t>(offset);
          const uint32_t bits = exponent << 23 | (tie & 0x7fffff);
          expect_rounded(std::bit_cast<float>(bits));
          expect_rounded(std::bit_cast<float>(bits | 0x80000000u));
          if (HasFatalFailure()) return;
        }
      }
    }
  }
}

TEST(Half, RandomFloatsRoundToNearestEven) {
  Rng rng(1);
  for (int i = 0; i < 1'000'000; ++i) {
    const auto value = std::bit_cast<float>(static_cast<uint32_t>(rng.next() >> 32));
    if (std::isfinite(value)) expect_rounded(value);
    if (HasFatalFailure()) return;
  }
}

TEST(Half, TheEdgeOfOverflowRounds) {
  EXPECT_EQ(float_to_half(65504.0f), 0x7bff);
  EXPECT_EQ(float_to_half(std::nextafter(65520.0f, 0.0f)), 0x7bff);
  EXPECT_EQ(float_to_half(65520.0f), 0x7c00);
  EXPECT_EQ(float_to_half(0x1p-25f), 0x0000);
  EXPECT_EQ(float_to_half(std::nextafter(0x1p-25f, 1.0f)), 0x0001);
  EXPECT_EQ(float_to_bfloat16(std::numeric_limits<float>::max()), 0x7f80);
}

TEST(Half, EveryBfloat16ComesBack) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto brain = static_cast<uint16_t>(bits);
    const float value = bfloat16_to_float(brain);
    ASSERT_EQ(std::bit_cast<uint32_t>(value), bits << 16);
    const bool nan = (bits & 0x7f80) == 0x7f80 && (bits & 0x7f) != 0;
    ASSERT_EQ(float_to_bfloat16(value), nan ? brain | 0x40 : brain);
  }
}

}  // namespace
}  // namespace minim
