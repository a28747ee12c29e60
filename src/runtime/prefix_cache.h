// What sequences have computed, kept for others that begin with the same tokens: a tree of blocks,
// each under the block before it and found by its exact tokens. The blocks that were needed least
// recently go first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <unordered_map>
#include <vector>

#include "model/model.h"
#include "runtime/kv_pool.h"
#include "text/tokenizer.h"

namespace minim {

struct PrefixCacheOptions {
  size_t bytes_max = size_t{256} << 20;  // of the blocks that are kept
  // Keep blocks with generated tokens too, so that the next turn of a conversation finds the
  // answer. Their last bits are those of generating; reading the same tokens in a prompt may round
  // otherwise. Without, a prompt whose beginning is found computes bit for bit what it would have.
  bool keep_generated = true;
};

struct PrefixStatistics {
  int64_t lookups = 0;
  int64_t hits = 0;          // lookups that found at least one block
  int64_t tokens_found = 0;  // that did not have to be computed
  int64_t blocks = 0;        // kept now
  int64_t blocks_dropped = 0;
};

// For one model and one pool. Any number of threads.
class PrefixCache {
 public:
  // Becomes the reclaimer of the pool: blocks that nobody but this cache holds are given up before
  // a sequence finds the pool full.
  PrefixCache(std::shared_ptr<const Model> model, std::shared_ptr<KvPool> pool,
              const PrefixCacheOptions& options = {});
  ~PrefixCache();
  PrefixCache(const PrefixCache&) = delete;
  PrefixCache& operator=(const PrefixCache&) = delete;

  const Model& model() const { return *model_; }
  const std::shared_ptr<KvPool>& pool() const { return pool_; }
  const PrefixCacheOptions& options() const { return options_; }

  // The blocks of the longest known beginning of `tokens`: block i holds tokens [i, i + 1) *
  // block_tokens. What was kept in one space is found in no other: what other adapters computed,
  // or what somebody else must not hear of, even by being faster.
  std::vector<KvBlock> find(std::span<const TokenId> tokens, uint64_t space = 0);

  // Keeps the blocks of `tokens`, as far as they are full. What is there already stays. Empty
  // blocks can be passed over only where they are known. REQUIRES: nobody writes to them any more.
  void keep(std::span<const TokenId> tokens, std::span<const KvBlock> blocks, uint64_t space = 0);

  void clear();
  PrefixStatistics statistics() const;

 private:
  struct Node;
  using Children = std::unordered_multimap<uint64_t, std::unique_ptr<Node>>;

  Node* find_child(Node& parent, std::span<const TokenId> tokens);
  void link(Node& node, Node* newer);
  void unlink(Node& node);
  void touch(Node* node);
  void drop(Node& leaf);
  bool drop_unused();
  int64_t count_unused() const;

  const std::shared_ptr<const Model> model_;
  const std::shared_ptr<KvPool> pool_;
  const PrefixCacheOptions options_;
  const int64_t blocks_max_;

  mutable std::mutex mutex_;                                   // guards what follows
  std::unordered_map<uint64_t, std::unique_ptr<Node>> roots_;  // of each space that has blocks
  // By when they were needed, the latest first; a block never before the one that it lies under, so
  // that the last one is a leaf.
  Node* newest_ = nullptr;
  Node* oldest_ = nullptr;
  PrefixStatistics statistics_;
};

}  // namespace minim
