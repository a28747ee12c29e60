#include "runtime/kv_pool.h"

#include <fmt/core.h>

#include <algorithm>
#include <atomic>
#include <cstring>

#include "base/error.h"
#include "tensor/weight_memory.h"

namespace minim {
namespace {

constexpr size_t kSlabBytes = size_t{32} << 20;    // addresses only, until blocks are used
constexpr size_t kOwnSlabBytes = size_t{1} << 20;  // of a source that may give what it says
constexpr size_t kCacheLine = 64;

}  // namespace

struct KvSlab {
  KvSlab(KvPool& pool, size_t count, size_t stride, const MemorySource& source);

  std::shared_ptr<std::byte> memory;
  std::unique_ptr<KvBlockEntry[]> entries;
  KvBlockEntry* free = nullptr;  // a list; the lowest address comes first at the beginning
  size_t used = 0;
};

struct KvBlockEntry {
  std::atomic<int32_t> shares{0};
  std::byte* data = nullptr;
  KvPool* pool = nullptr;
  KvSlab* slab = nullptr;
  KvBlockEntry* next_free = nullptr;
};

KvSlab::KvSlab(KvPool& pool, size_t count, size_t stride, const MemorySource& source)
    : memory(WeightMemory(source).allocate(count * stride)),
      entries(std::make_unique<KvBlockEntry[]>(count)) {
  for (size_t i = count; i > 0; --i) {
    KvBlockEntry& entry = entries[i - 1];
    entry.data = memory.get() + (i - 1) * stride;
    entry.pool = &pool;
    entry.slab = this;
    entry.next_free = std::exchange(free, &entry);
  }
}

KvBlock::KvBlock(const KvBlock& other) : entry_(other.entry_) {
  if (entry_ != nullptr) entry_->shares.fetch_add(1, std::memory_order_relaxed);
}

KvBlock::~KvBlock() {
  if (entry_ == nullptr) return;
  // Acquire and release: what any holder wrote comes before what the next owner writes.
  if (entry_->shares.fetch_sub(1, std::memory_order_acq_rel) == 1) entry_->pool->release(entry_);
}

std::byte* KvBlock::data() const { return entry_->data; }

bool KvBlock::shared() const { return entry_->shares.load(std::memory_order_acquire) > 1; }

KvPool::KvPool(const KvLayout& layout, size_t bytes_max, MemorySource memory)
    : layout_(layout),
      block_stride_((layout.block_bytes() + kCacheLine - 1) / kCacheLine * kCacheLine),
      memory_(std::move(memory)) {
  MINIM_CHECK(layout.block_bytes() > 0 && layout.block_tokens > 0);
  slab_blocks_ = std::max<size_t>((memory_ ? kOwnSlabBytes : kSlabBytes) / block_stride_, 1);
  if (bytes_max == 0) return;
  blocks_max_ = static_cast<int64_t>(bytes_max / layout.block_bytes());
  if (blocks_max_ == 0) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("kv pool: {} bytes hold no block; one of {} tokens takes {}", bytes_max,
                            layout.block_tokens, layout.block_bytes()));
  }
  slab_blocks_ = std::min(slab_blocks_, static_cast<size_t>(blocks_max_));
}

KvPool::~KvPool() { MINIM_CHECK(blocks_used_ == 0); }

int64_t KvPool::blocks_used() const {
  const std::lock_guard lock(mutex_);
  return blocks_used_;
}

size_t KvPool::bytes_used() const {
  return static_cast<size_t>(blocks_used()) * layout_.block_bytes();
}

KvBlock KvPool::allocate(KvClaim claim) {
  KvBlock block = take(claim);
  std::memset(block.data(), 0, layout_.block_bytes());
  return block;
}

KvBlock KvPool::duplicate(const KvBlock& from, KvClaim claim) {
  KvBlock block = take(claim);
  std::memcpy(block.data(), from.data(), layout_.block_bytes());
  return block;
}

KvBlock KvPool::take(KvClaim claim) {
  for (;;) {
    if (KvBlockEntry* entry = try_take(claim)) return KvBlock(entry);
    if (reclaim()) continue;
    throw Error(
        ErrorCode::kLimit,
        fmt::format(
            "kv pool: all {} blocks of {} tokens are in use or set aside; end other sequences "
            "or give the pool more than {} bytes",
            blocks_max_, layout_.block_tokens,
            static_cast<size_t>(blocks_max_) * layout_.block_bytes()));
  }
}

KvBlockEntry* KvPool::try_take(KvClaim claim) {
  const std::lock_guard lock(mutex_);
  const int64_t left = claim == KvClaim::kOpen ? blocks_reserved_ : 0;
  if (blocks_max_ > 0 && blocks_used_ + left >= blocks_max_) return nullptr;
  auto slab = std::find_if(slabs_.begin(), slabs_.end(),
                           [](const auto& candidate) { return candidate->free != nullptr; });
  if (slab == slabs_.end()) {
    slabs_.push_back(std::make_unique<KvSlab>(*this, slab_blocks_, block_stride_, memory_));
    slab = slabs_.end() - 1;
  }
  KvBlockEntry* entry = (*slab)->free;
  (*slab)->free = entry->next_free;
  ++(*slab)->used;
  ++blocks_used_;
  entry->shares.store(1, std::memory_order_relaxed);
  return entry;
}

// One slab without blocks is kept, so that sequences that come and go one by one do not ask the
// system for memory each time.
void KvPool::release(KvBlockEntry* entry) {
  std::unique_ptr<KvSlab> unused;  // unmapped when the lock is gone
  const std::lock_guard lock(mutex_);
  KvSlab* slab = entry->slab;
  entry->next_free = std::exchange(slab->free, entry);
  --blocks_used_;
  if (--slab->used > 0) return;
  const bool another_is_empty = std::any_of(slabs_.begin(), slabs_.end(), [&](const auto& other) {
    return other.get() != slab && other->used == 0;
  });
  if (!another_is_empty) return;
  const auto at = std::find_if(slabs_.begin(), slabs_.end(),
                               [&](const auto& other) { return other.get() == slab; });
  unused = std::move(*at);
  slabs_.erase(at);
}

void KvPool::set_reclaimer(Reclaimer reclaimer) {
  const std::lock_guard lock(reclaimer_mutex_);
  reclaimer_ = std::move(reclaimer);
}

bool KvPool::reclaim() {
  const std::lock_guard lock(reclaimer_mutex_);
  return reclaimer_.give_up && reclaimer_.give_up();
}

void KvPool::set_reserved_blocks(int64_t count) {
  const std::lock_guard lock(mutex_);
  blocks_reserved_ = count;
}

int64_t KvPool::blocks_available() const {
  int64_t available = blocks_max_;
  {
    const std::lock_guard lock(reclaimer_mutex_);
    if (reclaimer_.count) available += reclaimer_.count();
  }
  const std::lock_guard lock(mutex_);
  return available - blocks_used_ - blocks_reserved_;
}

}  // namespace minim
