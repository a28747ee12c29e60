// The keys and values of one sequence, in blocks that are allocated as the sequence grows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "tensor/kv_view.h"

namespace minim {

class KvCache {
 public:
  // REQUIRES: slots_max >= 1.
  KvCache(const KvLayout& layout, int64_t slots_max);

  int64_t slots_max() const { return slots_max_; }
  // Resident bytes.
  size_t bytes() const { return blocks_.size() * layout_.block_bytes(); }

  // Makes room for slots [0, count). REQUIRES: count <= slots_max().
  void reserve(int64_t count);
  // Gives back the blocks that hold no slot below `count`.
  void shrink(int64_t count);
  // Valid until the next reserve() or shrink(), and not past a move of this cache.
  KvView view() const { return {&layout_, pointers_}; }

 private:
  int64_t block_count(int64_t slots) const {
    return (slots + layout_.block_tokens - 1) / layout_.block_tokens;
  }

  KvLayout layout_;
  int64_t slots_max_;
  std::vector<std::unique_ptr<std::byte[]>> blocks_;
  std::vector<std::byte*> pointers_;
};

}  // namespace minim
