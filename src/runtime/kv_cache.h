// The keys and values of one sequence, in blocks that come into use as the sequence grows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "tensor/kv_view.h"

namespace minim {

// Blocks lie in slabs on huge pages: attention at depth reads every one of them for every token.
class KvCache {
 public:
  // REQUIRES: slots_max >= 1.
  KvCache(const KvLayout& layout, int64_t slots_max);

  int64_t slots_max() const { return slots_max_; }
  // Of the blocks in use.
  size_t bytes() const { return pointers_.size() * layout_.block_bytes(); }

  // Makes room for slots [0, count). REQUIRES: count <= slots_max().
  void reserve(int64_t count);
  // Gives up the blocks that hold no slot below `count`, and the slabs without blocks.
  void shrink(int64_t count);
  // Valid until the next reserve() or shrink(), and not past a move of this cache.
  KvView view() const { return {&layout_, pointers_}; }

 private:
  int64_t block_count(int64_t slots) const {
    return (slots + layout_.block_tokens - 1) / layout_.block_tokens;
  }

  KvLayout layout_;
  int64_t slots_max_;
  size_t block_stride_;  // bytes: whole cache lines
  size_t slab_blocks_;
  std::vector<std::shared_ptr<std::byte>> slabs_;
  std::vector<std::byte*> pointers_;
};

}  // namespace minim
