#include "runtime/kv_cache.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <vector>

namespace minim {
namespace {

// 1.2 MB a block, so that slabs of 32 MiB hold 27.
const KvLayout kLayout{DataType::kF32, 16, 4, 75, 32};

TEST(KvCacheTest, BlocksComeZeroedAndApart) {
  KvCache cache(kLayout, 32 * 60);
  EXPECT_EQ(cache.slots_max(), 32 * 60);
  EXPECT_EQ(cache.bytes(), 0u);
  cache.reserve(1);
  EXPECT_EQ(cache.view().blocks.size(), 1u);
  cache.reserve(32 * 60);
  cache.reserve(5);  // never shrinks
  EXPECT_EQ(cache.bytes(), 60 * kLayout.block_bytes());
  std::vector<std::byte*> blocks(cache.view().blocks.begin(), cache.view().blocks.end());
  std::sort(blocks.begin(), blocks.end());
  for (size_t i = 0; i < blocks.size(); ++i) {
    EXPECT_EQ(reinterpret_cast<uintptr_t>(blocks[i]) % 64, 0u);
    if (i > 0) {
      EXPECT_GE(blocks[i] - blocks[i - 1], static_cast<int64_t>(kLayout.block_bytes()));
    }
    EXPECT_EQ(std::count(blocks[i], blocks[i] + kLayout.block_bytes(), std::byte{0}),
              static_cast<int64_t>(kLayout.block_bytes()));
  }
}

TEST(KvCacheTest, WhatWasGivenUpComesBackZeroed) {
  KvCache cache(kLayout, 32 * 60);
  cache.reserve(32 * 60);
  for (std::byte* block : cache.view().blocks) std::memset(block, 7, kLayout.block_bytes());
  std::byte* const first = cache.view().blocks[0];
  cache.shrink(33);
  EXPECT_EQ(cache.bytes(), 2 * kLayout.block_bytes());
  EXPECT_EQ(cache.view().blocks[0], first);
  EXPECT_EQ(*cache.view().blocks[1], std::byte{7});
  cache.reserve(32 * 3);
  EXPECT_EQ(*cache.view().blocks[2], std::byte{0});
  cache.shrink(0);
  EXPECT_EQ(cache.bytes(), 0u);
  cache.reserve(1);
  EXPECT_EQ(*cache.view().blocks[0], std::byte{0});
}

TEST(KvCacheTest, NoSlotsIsOurBug) { EXPECT_DEATH(KvCache(kLayout, 0), "internal error"); }

}  // namespace
}  // namespace minim
