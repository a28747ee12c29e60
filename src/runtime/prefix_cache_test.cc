#include "runtime/prefix_cache.h"

#include <gtest/gtest.h>

#include <numeric>

#include "base/error.h"
#include "base/rng.h"
#include "kernels/testing/random_data.h"
#include "model/testing/sequence.h"
#include "model/testing/tiny_model.h"

namespace minim {
namespace {

constexpr int kBlockTokens = 32;

// `blocks` blocks of tokens, each of which counts on from its own number.
std::vector<TokenId> tokens_of(std::vector<int> blocks) {
  std::vector<TokenId> tokens;
  for (const int block : blocks) {
    for (int i = 0; i < kBlockTokens; ++i) tokens.push_back(100 * block + i);
  }
  return tokens;
}

class PrefixCacheTest : public ::testing::Test {
 protected:
  PrefixCache make(int64_t blocks_max) {
    return PrefixCache(
        model_, pool_,
        {.bytes_max = static_cast<size_t>(blocks_max) * pool_->layout().block_bytes()});
  }

  std::vector<KvBlock> allocate(size_t count) {
    std::vector<KvBlock> blocks;
    for (size_t i = 0; i < count; ++i) blocks.push_back(pool_->allocate());
    return blocks;
  }

  void keep(PrefixCache& cache, const std::vector<int>& blocks) {
    cache.keep(tokens_of(blocks), allocate(blocks.size()));
  }

  // The blocks found for the beginning of a text.
  size_t found(PrefixCache& cache, const std::vector<int>& blocks) {
    return cache.find(tokens_of(blocks)).size();
  }

  testing::ModelTestContext context_;
  std::shared_ptr<const Model> model_ =
      Model::load(*context_, testing::tiny_file(testing::tiny_config()));
  std::shared_ptr<KvPool> pool_ = std::make_shared<KvPool>(model_->kv_layout());
};

TEST_F(PrefixCacheTest, FindsTheLongestKnownBeginning) {
  PrefixCache cache = make(100);
  EXPECT_EQ(found(cache, {1, 2, 3}), 0u);
  const std::vector<KvBlock> blocks = allocate(3);
  cache.keep(tokens_of({1, 2, 3}), blocks);
  keep(cache, {1, 5});
  EXPECT_EQ(pool_->blocks_used(), 4 + 0);
  EXPECT_EQ(found(cache, {1, 2, 3, 4}), 3u);
  EXPECT_EQ(found(cache, {1, 2, 7}), 2u);
  EXPECT_EQ(found(cache, {1, 5, 3}), 2u);
  EXPECT_EQ(found(cache, {2, 3}), 0u);
  const std::vector<KvBlock> again = cache.find(tokens_of({1, 2, 3}));
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(again[i].data(), blocks[i].data());
  // A part of a block is not found, nor is one that differs in its last token.
  std::vector<TokenId> tokens = tokens_of({1, 2});
  tokens.back() += 1;
  EXPECT_EQ(cache.find(tokens).size(), 1u);
  tokens.pop_back();
  EXPECT_EQ(cache.find(tokens).size(), 1u);
  const PrefixStatistics statistics = cache.statistics();
  EXPECT_EQ(statistics.blocks, 4);
  EXPECT_EQ(statistics.lookups, 8);
  EXPECT_EQ(statistics.hits, 6);
  EXPECT_EQ(statistics.tokens_found, (3 + 2 + 2 + 3 + 1 + 1) * kBlockTokens);
}

TEST_F(PrefixCacheTest, OnlyFullBlocksAreKept) {
  PrefixCache cache = make(100);
  std::vector<TokenId> tokens = tokens_of({1, 2});
  tokens.pop_back();
  cache.keep(tokens, allocate(2));
  EXPECT_EQ(cache.statistics().blocks, 1);
  EXPECT_EQ(pool_->blocks_used(), 1);
}

TEST_F(PrefixCacheTest, WhatWasNeededLeastRecentlyGoesFirst) {
  PrefixCache cache = make(4);
  keep(cache, {1, 2});
  keep(cache, {3, 4});
  EXPECT_EQ(found(cache, {1, 2}), 2u);
  keep(cache, {5});
  EXPECT_EQ(found(cache, {3, 4}), 1u);  // its end went first
  EXPECT_EQ(found(cache, {1, 2}), 2u);
  keep(cache, {6});
  EXPECT_EQ(found(cache, {5}), 0u);
  EXPECT_EQ(found(cache, {6}), 1u);
  EXPECT_EQ(found(cache, {3}), 1u);
  EXPECT_EQ(cache.statistics().blocks_dropped, 2);
  EXPECT_EQ(pool_->blocks_used(), 4);
}

TEST_F(PrefixCacheTest, OfATextThatDoesNotFitTheBeginningIsKept) {
  PrefixCache cache = make(3);
  keep(cache, {1, 2, 3, 4, 5});
  EXPECT_EQ(found(cache, {1, 2, 3, 4, 5}), 3u);
  PrefixCache none = make(0);
  keep(none, {1, 2});
  EXPECT_EQ(found(none, {1, 2}), 0u);
}

TEST_F(PrefixCacheTest, EmptyBlocksArePassedOverWhereTheyAreKnown) {
  PrefixCache cache = make(10);
  keep(cache, {1, 2});
  std::vector<KvBlock> blocks = allocate(4);
  blocks[0] = blocks[1] = KvBlock();
  cache.keep(tokens_of({1, 2, 3, 4}), blocks);
  EXPECT_EQ(found(cache, {1, 2, 3, 4}), 4u);
  cache.keep(tokens_of({1, 7, 8}), std::span(blocks).first(3));
  EXPECT_EQ(found(cache, {1, 7, 8}), 1u);
}

TEST_F(PrefixCacheTest, GivesUpBlocksBeforeThePoolIsFull) {
  pool_ = std::make_shared<KvPool>(model_->kv_layout(), 4 * model_->kv_layout().block_bytes());
  PrefixCache cache = make(100);
  keep(cache, {1, 2});
  std::vector<KvBlock> held = cache.find(tokens_of({1}));
  keep(cache, {3});
  const std::vector<KvBlock> mine = allocate(3);  // of {1, 2, 3} only 1 is held
  EXPECT_EQ(found(cache, {3}), 0u);
  EXPECT_EQ(found(cache, {1, 2}), 1u);
  EXPECT_THROW(pool_->allocate(), Error);
  held.clear();
  EXPECT_NO_THROW(pool_->allocate());
  EXPECT_EQ(cache.statistics().blocks, 0);
}

TEST_F(PrefixCacheTest, KnowsHowManyBlocksItCouldGiveUp) {
  pool_ = std::make_shared<KvPool>(model_->kv_layout(), 8 * pool_->layout().block_bytes());
  PrefixCache cache = make(100);
  keep(cache, {1, 2, 3});
  keep(cache, {1, 4});  // the first of which is not needed twice
  EXPECT_EQ(pool_->blocks_used(), 4);
  EXPECT_EQ(pool_->blocks_available(), 8);
  {
    const auto held = cache.find(tokens_of({1, 2}));
    EXPECT_EQ(pool_->blocks_available(), 6);
    // A block that lies under one that nobody holds stays with it.
    const auto leaf = KvBlock(cache.find(tokens_of({1, 4})).back());
    EXPECT_EQ(pool_->blocks_available(), 5);
  }
  const auto leaf = KvBlock(cache.find(tokens_of({1, 4})).back());
  EXPECT_EQ(pool_->blocks_available(), 6) << "of 1 and 4 nothing can go";
  const auto blocks = allocate(6);
  EXPECT_THROW(allocate(1), Error);
}

TEST_F(PrefixCacheTest, ClearingGivesAllBack) {
  PrefixCache cache = make(100);
  for (int i = 0; i < 20; ++i) keep(cache, {i % 3, i % 5, i});
  EXPECT_GT(pool_->blocks_used(), 20);
  cache.clear();
  EXPECT_EQ(pool_->blocks_used(), 0);
  EXPECT_EQ(found(cache, {0}), 0u);
}

// Against a list of texts: whatever is found was kept, and with room for all, all is found.
TEST_F(PrefixCacheTest, RandomTextsAgainstAList) {
  Rng rng(testing::test_seed());
  for (const int64_t blocks_max : {7, 1000}) {
    PrefixCache cache = make(blocks_max);
    std::vector<std::vector<int>> kept;
    for (int round = 0; round < 400; ++round) {
      std::vector<int> text(1 + rng.below(6));
      for (int& block : text) block = static_cast<int>(rng.below(3));
      size_t expected = 0;
      for (const std::vector<int>& other : kept) {
        const auto both = std::mismatch(text.begin(), text.end(), other.begin(), other.end());
        expected = std::max(expected, static_cast<size_t>(both.first - text.begin()));
      }
      const size_t blocks = found(cache, text);
      EXPECT_LE(blocks, expected);
      if (blocks_max == 1000) {
        EXPECT_EQ(blocks, expected);
      }
      if (rng.below(2) == 0) {
        keep(cache, text);
        kept.push_back(text);
        EXPECT_EQ(found(cache, text), std::min<size_t>(text.size(), 7));
      }
      EXPECT_LE(cache.statistics().blocks, blocks_max);
      EXPECT_EQ(pool_->blocks_used(), cache.statistics().blocks);
    }
  }
}

}  // namespace
}  // namespace minim
