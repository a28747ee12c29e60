#include "runtime/kv_cache.h"

#include "base/error.h"

namespace minim {

KvCache::KvCache(const KvLayout& layout, int64_t slots_max)
    : layout_(layout), slots_max_(slots_max) {
  MINIM_CHECK(slots_max >= 1);
  const auto blocks_max = static_cast<size_t>(block_count(slots_max));
  blocks_.reserve(blocks_max);
  pointers_.reserve(blocks_max);
}

void KvCache::reserve(int64_t count) {
  MINIM_CHECK(count <= slots_max_);
  while (static_cast<int64_t>(blocks_.size()) < block_count(count)) {
    // Zeroed, so that what an earlier owner of this memory wrote can never be read through it.
    blocks_.push_back(std::make_unique<std::byte[]>(layout_.block_bytes()));
    pointers_.push_back(blocks_.back().get());
  }
}

void KvCache::shrink(int64_t count) {
  const auto kept = static_cast<size_t>(block_count(count));
  if (kept >= blocks_.size()) return;
  blocks_.resize(kept);
  pointers_.resize(kept);
}

}  // namespace minim
