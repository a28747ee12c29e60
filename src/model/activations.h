// The scratch memory of a forward pass: sized once for the largest batch, never per token.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/memory_source.h"
#include "model/adapter/adapter_scratch.h"
#include "model/config.h"
#include "tensor/matrix_view.h"

namespace minim {

// Belongs to one forward pass at a time. The views have as many rows as the batch at hand.
class Activations {
 public:
  // For batches of up to `rows_max` tokens. Throws kInvalidArgument outside 1 to 2^20.
  Activations(const ModelConfig& config, int64_t rows_max, const MemorySource& memory = {});

  // What the constructor allocates, without doing so.
  static size_t bytes(const ModelConfig& config, int64_t rows_max);

  int64_t rows_max() const { return rows_max_; }
  // Sets the number of rows of every view, and of few_rows. REQUIRES: 0 <= few <= rows <=
  // rows_max().
  void set_rows(int64_t rows, int64_t few);
  // Of the rows at hand, the first so many are summed as few (tensor/ops.h: matmul).
  int64_t few_rows() const { return few_rows_; }

  MatrixView x;         // [rows, dim]: the residual stream
  MatrixView normed;    // [rows, dim]
  MatrixView query;     // [rows, heads * head_dim], columns of `qkv`
  MatrixView key;       // [rows, kv_heads * head_dim], columns of `qkv`
  MatrixView value;     // [rows, kv_heads * head_dim], columns of `qkv`
  MatrixView qkv;       // [rows, (heads + 2 * kv_heads) * head_dim]
  MatrixView attended;  // [rows, heads * head_dim]
  MatrixView gate;      // [rows, ffn_dim], columns of `gate_up`
  MatrixView up;        // [rows, ffn_dim], columns of `gate_up`
  MatrixView gate_up;   // [rows, 2 * ffn_dim], ffn_dim of an expert in a mixture of experts
  MatrixView out;       // [rows, dim]: what a block adds to the stream

  // Mixture of experts: who goes where, and the rows of one expert at a time.
  MatrixView router;                  // [rows, experts]: probabilities
  MatrixView expert_in;               // [rows, dim]
  MatrixView expert_out;              // [rows, dim]
  std::vector<int32_t> chosen;        // [rows * used]: experts of each row, best first
  std::vector<float> chosen_weights;  // [rows * used]
  std::vector<int32_t> order;         // rows * used entries of `chosen`, grouped by expert
  std::vector<int32_t> group_begin;   // [experts + 1]: where each expert's group begins

  AdapterScratch adapter;  // grows where adapters are first used

 private:
  int64_t rows_max_ = 0;
  int64_t few_rows_ = 0;
  std::shared_ptr<std::byte> buffer_;
};

}  // namespace minim
