#include "runtime/kv_cache.h"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <utility>
#include <vector>

namespace minim {
namespace {

const KvLayout kLayout{DataType::kF32, 1, 1, 2, 32};

class KvCacheTest : public ::testing::Test {
 protected:
  std::byte at(const KvCache& cache, size_t block) const { return *cache.view().blocks[block]; }

  std::shared_ptr<KvPool> pool_ = std::make_shared<KvPool>(kLayout);
};

TEST_F(KvCacheTest, BlocksComeIntoUseAsTheSequenceGrows) {
  KvCache cache(pool_, 32 * 60);
  EXPECT_EQ(cache.slots_max(), 32 * 60);
  EXPECT_EQ(cache.bytes(), 0u);
  cache.reserve(0, 1);
  EXPECT_EQ(cache.view().blocks.size(), 1u);
  cache.reserve(1, 32 * 60);
  cache.reserve(4, 5);  // never shrinks
  EXPECT_EQ(cache.bytes(), 60 * kLayout.block_bytes());
  EXPECT_EQ(pool_->blocks_used(), 60);
}

TEST_F(KvCacheTest, ShrinkingGivesBlocksBack) {
  KvCache cache(pool_, 32 * 60);
  cache.reserve(0, 32 * 60);
  for (std::byte* block : cache.view().blocks) std::memset(block, 7, kLayout.block_bytes());
  std::byte* const first = cache.view().blocks[0];
  cache.shrink(33);
  EXPECT_EQ(pool_->blocks_used(), 2);
  EXPECT_EQ(cache.view().blocks[0], first);
  EXPECT_EQ(at(cache, 1), std::byte{7});
  cache.reserve(33, 32 * 3);
  EXPECT_EQ(at(cache, 2), std::byte{0});
  cache.shrink(0);
  EXPECT_EQ(cache.bytes(), 0u);
  EXPECT_EQ(pool_->blocks_used(), 0);
}

TEST_F(KvCacheTest, CopiesShareUntilOneWrites) {
  KvCache cache(pool_, 32 * 10);
  cache.reserve(0, 70);
  for (std::byte* block : cache.view().blocks) std::memset(block, 5, kLayout.block_bytes());
  KvCache copy = cache;
  EXPECT_EQ(pool_->blocks_used(), 3);
  copy.reserve(70, 100);  // the third block is written to
  EXPECT_EQ(pool_->blocks_used(), 5);
  EXPECT_EQ(copy.view().blocks[1], cache.view().blocks[1]);
  EXPECT_NE(copy.view().blocks[2], cache.view().blocks[2]);
  EXPECT_EQ(at(copy, 2), std::byte{5});
  std::memset(copy.view().blocks[2], 6, kLayout.block_bytes());
  EXPECT_EQ(at(cache, 2), std::byte{5});
  std::byte* const own = cache.view().blocks[2];
  cache.reserve(70, 71);  // nobody shares it any more
  EXPECT_EQ(cache.view().blocks[2], own);
  { const KvCache gone = std::move(copy); }
  EXPECT_EQ(pool_->blocks_used(), 3);
}

TEST_F(KvCacheTest, AdoptedBlocksAreNotWrittenTo) {
  KvCache cache(pool_, 32 * 10);
  cache.reserve(0, 64);
  KvCache other(pool_, 32 * 10);
  other.adopt(cache.blocks());
  EXPECT_EQ(other.bytes(), cache.bytes());
  other.reserve(64, 65);
  EXPECT_EQ(other.view().blocks[1], cache.view().blocks[1]);
  other.shrink(40);
  other.reserve(40, 41);
  EXPECT_NE(other.view().blocks[1], cache.view().blocks[1]);
}

TEST_F(KvCacheTest, ForgottenBlocksAreGone) {
  KvCache cache(pool_, 32 * 10);
  cache.reserve(0, 32 * 5);
  cache.forget_before(-64);
  cache.forget_before(70);
  EXPECT_EQ(cache.first_slot(), 64);
  EXPECT_EQ(cache.bytes(), 3 * kLayout.block_bytes());
  EXPECT_EQ(cache.view().blocks.size(), 5u);
  EXPECT_EQ(cache.view().blocks[1], nullptr);
  cache.forget_before(10);  // never goes back
  EXPECT_EQ(cache.first_slot(), 64);
  const KvCache copy = cache;
  EXPECT_EQ(copy.first_slot(), 64);
  cache.shrink(0);
  EXPECT_EQ(cache.first_slot(), 0);
  cache.reserve(0, 1);
  EXPECT_NE(cache.view().blocks[0], nullptr);
}

TEST_F(KvCacheTest, NoSlotsIsOurBug) { EXPECT_DEATH(KvCache(pool_, 0), "internal error"); }

}  // namespace
}  // namespace minim
