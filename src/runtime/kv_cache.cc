#include "runtime/kv_cache.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "tensor/weight_memory.h"

namespace minim {
namespace {

constexpr size_t kSlabBytes = size_t{32} << 20;  // addresses only, until blocks are used
constexpr size_t kCacheLine = 64;

}  // namespace

KvCache::KvCache(const KvLayout& layout, int64_t slots_max)
    : layout_(layout),
      slots_max_(slots_max),
      block_stride_((layout.block_bytes() + kCacheLine - 1) / kCacheLine * kCacheLine) {
  MINIM_CHECK(slots_max >= 1);
  const auto blocks_max = static_cast<size_t>(block_count(slots_max));
  slab_blocks_ = std::clamp<size_t>(kSlabBytes / block_stride_, 1, blocks_max);
  slabs_.reserve((blocks_max + slab_blocks_ - 1) / slab_blocks_);
  pointers_.reserve(blocks_max);
}

void KvCache::reserve(int64_t count) {
  MINIM_CHECK(count <= slots_max_);
  while (static_cast<int64_t>(pointers_.size()) < block_count(count)) {
    const size_t slab = pointers_.size() / slab_blocks_;
    if (slab == slabs_.size()) {
      slabs_.push_back(WeightMemory().allocate(slab_blocks_ * block_stride_));
    }
    std::byte* block = slabs_[slab].get() + pointers_.size() % slab_blocks_ * block_stride_;
    // Zeroed, so that what an earlier owner of this memory wrote can never be read through it.
    std::memset(block, 0, layout_.block_bytes());
    pointers_.push_back(block);
  }
}

void KvCache::shrink(int64_t count) {
  const auto kept = static_cast<size_t>(block_count(count));
  if (kept >= pointers_.size()) return;
  pointers_.resize(kept);
  slabs_.resize((kept + slab_blocks_ - 1) / slab_blocks_);
}

}  // namespace minim
