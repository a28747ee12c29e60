// What one forward pass computes: tokens of one or several sequences, packed one after the other.
#pragma once

#include <cstdint>
#include <span>

#include "tensor/kv_view.h"

namespace minim {

// Consecutive rows of a batch that continue one sequence.
struct SequenceChunk {
  int64_t begin = 0;       // first row in the batch
  int64_t count = 0;       // rows, at least 1
  int64_t first_slot = 0;  // tokens that the cache holds already; row begin + i goes to slot
                           // first_slot + i and sees slots [0, first_slot + i]
  KvView cache;            // with blocks for first_slot + count tokens
};

// Matrix products run over all rows at once; attention runs chunk by chunk. Two chunks of one batch
// must not share the blocks that they write to.
struct Batch {
  std::span<const int32_t> tokens;        // [rows]
  std::span<const int32_t> positions;     // [rows], usually the slot
  std::span<const SequenceChunk> chunks;  // in order, covering every row exactly once
  // The rows whose logits (or hidden states) are wanted, ascending; the head, and everything after
  // the last attention, is computed for these only. May be empty: the batch then fills caches.
  std::span<const int32_t> outputs;

  int64_t rows() const { return static_cast<int64_t>(tokens.size()); }
};

}  // namespace minim
