// Blocks of keys and values, handed out to all sequences that share a pool: slabs on huge pages,
// because attention at depth reads every block for every token, and a bound on their memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "base/memory_source.h"
#include "tensor/kv_view.h"

namespace minim {

struct KvBlockEntry;  // a block and who holds it: kv_pool.cc
struct KvSlab;

// A share of a block. Copies share it, and the last to go gives it back to its pool, which must
// still exist. One share is for one thread at a time; those of a block may be on several threads.
class KvBlock {
 public:
  KvBlock() = default;
  KvBlock(const KvBlock& other);
  KvBlock(KvBlock&& other) noexcept : entry_(std::exchange(other.entry_, nullptr)) {}
  KvBlock& operator=(KvBlock other) noexcept {
    std::swap(entry_, other.entry_);
    return *this;
  }
  ~KvBlock();

  bool empty() const { return entry_ == nullptr; }
  // REQUIRES: !empty(). Whoever writes must be the only one who holds the block.
  std::byte* data() const;
  // Whether somebody else holds it too. REQUIRES: !empty().
  bool shared() const;

 private:
  friend class KvPool;
  explicit KvBlock(KvBlockEntry* entry) : entry_(entry) {}

  KvBlockEntry* entry_ = nullptr;
};

// Who asks for a block: anybody, or one for whom blocks were set aside.
enum class KvClaim { kOpen, kReserved };

// Any number of threads.
class KvPool {
 public:
  // Blocks of `bytes_max` in all at most; 0: no bound. Throws kInvalidArgument for a bound that not
  // even one block fits. REQUIRES: layout has layers, heads and tokens.
  explicit KvPool(const KvLayout& layout, size_t bytes_max = 0, MemorySource memory = {});
  // REQUIRES: all its blocks have come back.
  ~KvPool();
  KvPool(const KvPool&) = delete;
  KvPool& operator=(const KvPool&) = delete;

  const KvLayout& layout() const { return layout_; }
  // The blocks that fit the bound; 0: no bound.
  int64_t blocks_max() const { return blocks_max_; }
  int64_t blocks_used() const;
  size_t bytes_used() const;

  // A block of zeros, so that nothing of its earlier owner can be read through it. Where the bound
  // is reached, asks the reclaimer for blocks first; throws kLimit if that has none. Open claims
  // leave as many blocks as are set aside.
  KvBlock allocate(KvClaim claim = KvClaim::kOpen);
  // The same with the content of `from`, a block of this pool.
  KvBlock duplicate(const KvBlock& from, KvClaim claim = KvClaim::kOpen);

  // Sets aside so many blocks for reserved claims, and no more.
  void set_reserved_blocks(int64_t count);
  // Blocks that can still be set aside, or allocated by open claims: free ones, and those that the
  // reclaimer would give up. REQUIRES: blocks_max() > 0.
  int64_t blocks_available() const;

  // Who can give up blocks that nobody needs now. Called by whichever thread allocates; not called
  // any more once set_reclaimer() returns with another or none.
  struct Reclaimer {
    std::function<bool()> give_up;   // one block; whether there was one
    std::function<int64_t()> count;  // how many there are
  };
  void set_reclaimer(Reclaimer reclaimer);

 private:
  friend class KvBlock;

  KvBlock take(KvClaim claim);  // of undefined content
  KvBlockEntry* try_take(KvClaim claim);
  bool reclaim();
  void release(KvBlockEntry* entry);

  const KvLayout layout_;
  const size_t block_stride_;  // bytes: whole cache lines
  int64_t blocks_max_ = 0;
  size_t slab_blocks_ = 0;
  const MemorySource memory_;

  mutable std::mutex reclaimer_mutex_;  // held while the reclaimer runs, never together with mutex_
  Reclaimer reclaimer_;
  mutable std::mutex mutex_;  // guards what follows
  std::vector<std::unique_ptr<KvSlab>> slabs_;
  int64_t blocks_used_ = 0;
  int64_t blocks_reserved_ = 0;
};

}  // namespace minim
