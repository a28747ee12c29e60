#include "runtime/kv_pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <thread>
#include <vector>

#include "base/error.h"

namespace minim {
namespace {

// 1.2 MB a block, so that slabs of 32 MiB hold 27.
const KvLayout kLayout{DataType::kF32, 16, 4, 75, 32};
const KvLayout kSmallLayout{DataType::kF32, 1, 1, 2, 32};

bool is_all(const KvBlock& block, std::byte value, size_t bytes) {
  return std::count(block.data(), block.data() + bytes, value) == static_cast<int64_t>(bytes);
}

TEST(KvPoolTest, BlocksComeZeroedAndApart) {
  KvPool pool(kLayout);
  std::vector<KvBlock> blocks;
  for (int i = 0; i < 60; ++i) blocks.push_back(pool.allocate());
  EXPECT_EQ(pool.blocks_used(), 60);
  EXPECT_EQ(pool.bytes_used(), 60 * kLayout.block_bytes());
  std::vector<std::byte*> addresses;
  for (const KvBlock& block : blocks) {
    EXPECT_TRUE(is_all(block, std::byte{0}, kLayout.block_bytes()));
    addresses.push_back(block.data());
  }
  std::sort(addresses.begin(), addresses.end());
  for (size_t i = 0; i < addresses.size(); ++i) {
    EXPECT_EQ(reinterpret_cast<uintptr_t>(addresses[i]) % 64, 0u);
    if (i > 0) {
      EXPECT_GE(addresses[i] - addresses[i - 1], static_cast<int64_t>(kLayout.block_bytes()));
    }
  }
}

TEST(KvPoolTest, WhatWasGivenUpComesBackZeroed) {
  KvPool pool(kLayout);
  std::byte* before = nullptr;
  {
    const KvBlock block = pool.allocate();
    before = block.data();
    std::memset(block.data(), 7, kLayout.block_bytes());
  }
  EXPECT_EQ(pool.blocks_used(), 0);
  const KvBlock again = pool.allocate();
  EXPECT_EQ(again.data(), before);  // the memory was not given back to the system
  EXPECT_TRUE(is_all(again, std::byte{0}, kLayout.block_bytes()));
}

TEST(KvPoolTest, ABlockLivesAsLongAsSomebodyHoldsIt) {
  KvPool pool(kSmallLayout);
  KvBlock first = pool.allocate();
  EXPECT_FALSE(first.shared());
  std::memset(first.data(), 3, kSmallLayout.block_bytes());
  KvBlock second = first;
  EXPECT_TRUE(first.shared());
  EXPECT_EQ(second.data(), first.data());
  const KvBlock third = pool.duplicate(second);
  EXPECT_NE(third.data(), first.data());
  EXPECT_TRUE(is_all(third, std::byte{3}, kSmallLayout.block_bytes()));
  EXPECT_EQ(pool.blocks_used(), 2);
  first = KvBlock();
  EXPECT_FALSE(second.shared());
  EXPECT_EQ(pool.blocks_used(), 2);
  KvBlock moved = std::move(second);
  EXPECT_TRUE(second.empty());
  EXPECT_FALSE(moved.shared());
  moved = third;
  EXPECT_EQ(pool.blocks_used(), 1);
}

TEST(KvPoolTest, ABoundIsKept) {
  KvPool pool(kSmallLayout, 3 * kSmallLayout.block_bytes() + 1);
  EXPECT_EQ(pool.blocks_max(), 3);
  std::vector<KvBlock> blocks;
  for (int i = 0; i < 3; ++i) blocks.push_back(pool.allocate());
  try {
    pool.allocate();
    FAIL() << "a fourth block";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kLimit);
  }
  EXPECT_THROW(pool.duplicate(blocks[0]), Error);
  blocks.pop_back();
  EXPECT_NO_THROW(blocks.push_back(pool.allocate()));
  EXPECT_THROW(KvPool(kSmallLayout, kSmallLayout.block_bytes() - 1), Error);
}

TEST(KvPoolTest, TheReclaimerIsAskedBeforeTheBoundIsAnError) {
  KvPool pool(kSmallLayout, 2 * kSmallLayout.block_bytes());
  std::vector<KvBlock> spare = {pool.allocate(), pool.allocate()};
  int asked = 0;
  const auto give_up = [&] {
    ++asked;
    if (spare.empty()) return false;
    spare.pop_back();
    return true;
  };
  pool.set_reclaimer({give_up, [&] { return static_cast<int64_t>(spare.size()); }});
  EXPECT_EQ(pool.blocks_available(), 2);
  const KvBlock first = pool.allocate();
  const KvBlock second = pool.allocate();
  EXPECT_EQ(asked, 2);
  EXPECT_THROW(pool.allocate(), Error);
  EXPECT_EQ(asked, 3);
  pool.set_reclaimer({});
  EXPECT_THROW(pool.allocate(), Error);
  EXPECT_EQ(asked, 3);
}

TEST(KvPoolTest, BlocksThatAreSetAsideAreForThoseWhoAskForThem) {
  KvPool pool(kSmallLayout, 4 * kSmallLayout.block_bytes());
  pool.set_reserved_blocks(2);
  EXPECT_EQ(pool.blocks_available(), 2);
  std::vector<KvBlock> blocks = {pool.allocate(), pool.allocate()};
  EXPECT_EQ(pool.blocks_available(), 0);
  EXPECT_THROW(pool.allocate(), Error);
  EXPECT_THROW(pool.duplicate(blocks[0]), Error);
  blocks.push_back(pool.duplicate(blocks[0], KvClaim::kReserved));
  blocks.push_back(pool.allocate(KvClaim::kReserved));
  EXPECT_THROW(pool.allocate(KvClaim::kReserved), Error);
  EXPECT_EQ(pool.blocks_used(), 4);
  blocks.pop_back();
  EXPECT_THROW(pool.allocate(), Error);
  pool.set_reserved_blocks(0);
  EXPECT_NO_THROW(pool.allocate());
}

TEST(KvPoolTest, ThreadsTakeAndShareBlocks) {
  KvPool pool(kSmallLayout);
  const KvBlock common = pool.allocate();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&pool, common, t] {
      std::vector<KvBlock> mine;
      for (int i = 0; i < 2000; ++i) {
        mine.push_back(i % 3 == 0 ? common : pool.allocate());
        if (!mine.back().shared()) std::memset(mine.back().data(), t, kSmallLayout.block_bytes());
        if (i % 7 == 0) mine.erase(mine.begin(), mine.begin() + static_cast<int>(mine.size() / 2));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_FALSE(common.shared());
  EXPECT_EQ(pool.blocks_used(), 1);
  EXPECT_TRUE(is_all(common, std::byte{0}, kSmallLayout.block_bytes()));
}

TEST(KvPoolTest, BlocksThatOutliveTheirPoolAreOurBug) {
  EXPECT_DEATH(
      {
        auto pool = std::make_unique<KvPool>(kSmallLayout);
        const KvBlock block = pool->allocate();
        pool.reset();
      },
      "internal error");
}

TEST(KvPoolTest, SlabsComeFromTheSource) {
  int64_t held = 0;
  bool empty = false;
  const MemorySource source = [&](size_t bytes) {
    if (empty) throw std::bad_alloc();
    ++held;
    auto* memory = new std::byte[bytes];
    return std::shared_ptr<std::byte>(memory, [&held](std::byte* released) {
      --held;
      delete[] released;
    });
  };
  {
    KvPool pool(kSmallLayout, 4 * kSmallLayout.block_bytes(), source);
    EXPECT_EQ(held, 0);
    empty = true;
    EXPECT_THROW(pool.allocate(), std::bad_alloc);
    EXPECT_EQ(pool.blocks_used(), 0);
    empty = false;
    const KvBlock block = pool.allocate();
    EXPECT_EQ(held, 1);
  }
  EXPECT_EQ(held, 0);
}

}  // namespace
}  // namespace minim
