// What one step learns from: rows of one length, each packed with documents that do not see each
// other.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace minim::train {

// Every array is [row_count, row_tokens], a row after the other. Position p of a row reads the
// token inputs[p] and is to predict targets[p], the token that follows it in its document.
struct Batch {
  int64_t row_count = 0;
  int64_t row_tokens = 0;

  std::vector<int32_t> inputs;
  std::vector<int32_t> targets;
  // The share of each prediction in the loss: 0 for prompts and for padding, otherwise the weight
  // of the source, usually 1. The loss is sum(weight * loss) / weight_sum().
  std::vector<float> weights;
  // Where in its row the document of each position begins: attention from p sees
  // [document_starts[p], p], and the rotary position of p is p - document_starts[p]. Never falls
  // within a row. Padding, only ever at the end of a row, counts as a document of its own; its
  // tokens are 0.
  std::vector<int32_t> document_starts;
  std::vector<int32_t> used;  // [row_count]: positions of the row before its padding

  int64_t token_count() const { return row_count * row_tokens; }
  // Makes room for rows of padding; keeps memory that it has.
  void resize(int64_t rows, int64_t tokens_in_row);
  double weight_sum() const;
  // The hash that a file of stored teacher predictions keeps of each row: of its inputs and of
  // where its documents begin, which is all that a prediction depends on.
  uint64_t row_hash(int64_t row) const;
};

// The parts of `batch` that belong to rows [begin, end), for gradient accumulation.
struct BatchView {
  int64_t row_count = 0;
  int64_t row_tokens = 0;
  std::span<const int32_t> inputs;
  std::span<const int32_t> targets;
  std::span<const float> weights;
  std::span<const int32_t> document_starts;
};
BatchView view_rows(const Batch& batch, int64_t begin, int64_t end);

}  // namespace minim::train
