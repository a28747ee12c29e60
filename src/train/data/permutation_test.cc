#include "train/data/permutation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace minim::train {
namespace {

std::vector<uint64_t> all(uint64_t size, uint64_t seed) {
  const Permutation permutation(size, seed);
  std::vector<uint64_t> elements;
  for (uint64_t i = 0; i < size; ++i) elements.push_back(permutation.at(i));
  return elements;
}

TEST(Permutation, EveryElementComesOnce) {
  for (uint64_t size = 1; size <= 300; ++size) {
    auto elements = all(size, size);
    std::sort(elements.begin(), elements.end());
    for (uint64_t i = 0; i < size; ++i) ASSERT_EQ(elements[i], i) << size;
  }
  auto elements = all(100003, 5);
  std::sort(elements.begin(), elements.end());
  for (uint64_t i = 0; i < elements.size(); ++i) ASSERT_EQ(elements[i], i);
}

TEST(Permutation, SeedsShuffleDifferently) {
  EXPECT_NE(all(50, 1), all(50, 2));
  EXPECT_EQ(all(50, 1), all(50, 1));
}

// Neighbours end up apart, and every place is as likely as another: the mean distance of two
// elements drawn at random is a third of the size.
TEST(Permutation, NeighboursAreFarApart) {
  const auto elements = all(10000, 3);
  double distance = 0;
  int64_t ascents = 0;
  for (size_t i = 1; i < elements.size(); ++i) {
    const auto a = static_cast<double>(elements[i]), b = static_cast<double>(elements[i - 1]);
    distance += std::abs(a - b);
    ascents += a > b;
  }
  EXPECT_NEAR(distance / 9999 / 10000, 1.0 / 3, 0.01);
  EXPECT_NEAR(static_cast<double>(ascents) / 9999, 0.5, 0.02);
}

TEST(Permutation, LargeSizesStayInRange) {
  const uint64_t size = (uint64_t{1} << 61) + 12345;
  const Permutation permutation(size, 9);
  for (uint64_t i = 0; i < 1000; ++i) ASSERT_LT(permutation.at(i * (size / 1000)), size);
}

}  // namespace
}  // namespace minim::train
