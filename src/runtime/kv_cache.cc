#include "runtime/kv_cache.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace minim {

KvCache::KvCache(std::shared_ptr<KvPool> pool, int64_t slots_max)
    : pool_(std::move(pool)), slots_max_(slots_max) {
  MINIM_CHECK(slots_max >= 1);
  blocks_.reserve(block_count(slots_max));
  pointers_.reserve(block_count(slots_max));
}

void KvCache::reserve(int64_t begin, int64_t end) {
  MINIM_CHECK(begin >= first_slot() && begin <= end && end <= slots_max_);
  const size_t count = block_count(end);
  make_own(static_cast<size_t>(begin / layout().block_tokens), std::min(count, blocks_.size()));
  while (blocks_.size() < count) {
    blocks_.push_back(pool_->allocate(claim_));
    pointers_.push_back(blocks_.back().data());
  }
}

void KvCache::adopt(std::vector<KvBlock> blocks) {
  MINIM_CHECK(blocks_.empty() && blocks.size() <= block_count(slots_max_));
  blocks_ = std::move(blocks);
  for (const KvBlock& block : blocks_) {
    if (block.empty()) {
      MINIM_CHECK(forgotten_ == pointers_.size());
      ++forgotten_;
    }
    pointers_.push_back(block.empty() ? nullptr : block.data());
  }
}

std::span<std::byte* const> KvCache::drop(int64_t begin, int64_t count) {
  const int64_t block_tokens = layout().block_tokens;
  MINIM_CHECK(begin % block_tokens == 0 && count % block_tokens == 0);
  const auto first = static_cast<size_t>(begin / block_tokens);
  const auto last = static_cast<size_t>((begin + count) / block_tokens);
  MINIM_CHECK(last <= blocks_.size() && forgotten_ <= last);
  make_own(last, blocks_.size());
  const auto offset = [](size_t index) { return static_cast<std::ptrdiff_t>(index); };
  blocks_.erase(blocks_.begin() + offset(first), blocks_.begin() + offset(last));
  pointers_.erase(pointers_.begin() + offset(first), pointers_.begin() + offset(last));
  forgotten_ = std::min(forgotten_, first);
  return std::span(pointers_).subspan(first);
}

// A copy of each block of [begin, end) that others hold too.
void KvCache::make_own(size_t begin, size_t end) {
  for (size_t i = begin; i < end; ++i) {
    if (!blocks_[i].shared()) continue;
    blocks_[i] = pool_->duplicate(blocks_[i], claim_);
    pointers_[i] = blocks_[i].data();
  }
}

void KvCache::shrink(int64_t count) {
  const size_t kept = block_count(count);
  if (kept >= blocks_.size()) return;
  blocks_.resize(kept);
  pointers_.resize(kept);
  forgotten_ = std::min(forgotten_, kept);
}

void KvCache::forget_before(int64_t slot) {
  const auto whole = static_cast<size_t>(std::max<int64_t>(slot, 0) / layout().block_tokens);
  const size_t end = std::min(whole, blocks_.size());
  for (; forgotten_ < end; ++forgotten_) {
    blocks_[forgotten_] = KvBlock();
    pointers_[forgotten_] = nullptr;
  }
}

}  // namespace minim
