// What one forward pass computes: tokens of one or several sequences, packed one after the other.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "tensor/kv_view.h"

namespace minim {

class AdapterSet;

// Consecutive rows of a batch that continue one sequence.
struct SequenceChunk {
  int64_t begin = 0;       // first row in the batch
  int64_t count = 0;       // rows, at least 1
  int64_t first_slot = 0;  // tokens that the cache holds already; row begin + i goes to slot
                           // first_slot + i and sees slots [0, first_slot + i]
  KvView cache;            // with blocks for first_slot + count tokens
  const AdapterSet* adapters = nullptr;  // of the model, for these rows; null: none
};

// Matrix products run over all rows at once; attention runs chunk by chunk. What comes out for a
// chunk is bit for bit what a batch of this chunk alone gives, and for one of few rows (up to
// kernels::kFewRowsMax) what its rows give one after the other. For that chunks are in order: those
// of few rows come first, and of the others those with few outputs. Two chunks of one batch must
// not share the blocks that they write to.
struct Batch {
  std::span<const int32_t> tokens;        // [rows]
  std::span<const int32_t> positions;     // [rows], usually the slot
  std::span<const SequenceChunk> chunks;  // in order, covering every row exactly once
  // The rows whose logits (or hidden states) are wanted, ascending; the head, and everything after
  // the last attention, is computed for these only. May be empty: the batch then fills caches.
  std::span<const int32_t> outputs;

  int64_t rows() const { return static_cast<int64_t>(tokens.size()); }
};

// The rows, and the outputs, of chunks that have few of them. REQUIRES: chunks cover every row.
// Nothing where the chunks are out of order.
struct FewRows {
  int64_t rows = 0;
  int64_t outputs = 0;
};
std::optional<FewRows> count_few_rows(const Batch& batch);

}  // namespace minim
