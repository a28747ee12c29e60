// The keys and values of one sequence, in blocks that come into use as the sequence grows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "runtime/kv_pool.h"
#include "tensor/kv_view.h"

namespace minim {

// A copy shares all blocks; whoever writes to a shared block gets one of its own first.
class KvCache {
 public:
  // REQUIRES: slots_max >= 1.
  KvCache(std::shared_ptr<KvPool> pool, int64_t slots_max);
  KvCache(const KvCache&) = default;
  KvCache(KvCache&&) = default;
  KvCache& operator=(const KvCache&) = delete;  // would let go of the pool before its blocks

  const KvLayout& layout() const { return pool_->layout(); }
  const std::shared_ptr<KvPool>& pool() const { return pool_; }
  int64_t slots_max() const { return slots_max_; }
  // Of the blocks in use, those that are shared included.
  size_t bytes() const { return (blocks_.size() - forgotten_) * layout().block_bytes(); }
  // As whom it allocates from now on.
  void set_claim(KvClaim claim) { claim_ = claim; }
  // Those that were forgotten are empty.
  const std::vector<KvBlock>& blocks() const { return blocks_; }

  // Makes room for slots [0, end), of which those from `begin` on may then be written. Throws what
  // KvPool::allocate() throws; what was there stays.
  // REQUIRES: first_slot() <= begin <= end <= slots_max().
  void reserve(int64_t begin, int64_t end);
  // Takes blocks that others have filled as the first ones; those that were forgotten are empty and
  // come first. REQUIRES: nothing was reserved, they fit.
  void adopt(std::vector<KvBlock> blocks);
  // Gives up the blocks of slots [begin, begin + count); what follows moves up. Returns the blocks
  // that moved, which may then be written: valid as view() is. Throws what KvPool::allocate()
  // throws, with nothing changed. REQUIRES: whole blocks of what was reserved,
  // first_slot() <= begin + count.
  std::span<std::byte* const> drop(int64_t begin, int64_t count);
  // Gives up the blocks that hold no slot below `count`.
  void shrink(int64_t count);
  // Gives up the blocks that hold only slots below `slot`, which nobody may read any more.
  void forget_before(int64_t slot);
  // Slots from here on are there, up to what was reserved.
  int64_t first_slot() const { return static_cast<int64_t>(forgotten_) * layout().block_tokens; }
  // Valid until the next call of a function that is not const, and not past a move of this cache.
  KvView view() const { return {&layout(), pointers_}; }

 private:
  void make_own(size_t begin, size_t end);
  size_t block_count(int64_t slots) const {
    return static_cast<size_t>((slots + layout().block_tokens - 1) / layout().block_tokens);
  }

  std::shared_ptr<KvPool> pool_;  // outlives the blocks
  int64_t slots_max_;
  KvClaim claim_ = KvClaim::kOpen;
  std::vector<KvBlock> blocks_;
  std::vector<std::byte*> pointers_;  // of blocks_
  size_t forgotten_ = 0;              // blocks that are gone, from the first on
};

}  // namespace minim
