// The operations that models are composed of: shapes are checked here, the work is split over the
// context's threads and done by its kernels. Results do not depend on the number of threads.
// Shapes that do not fit, and values outside what is said here, throw kInvalidArgument.
#pragma once

#include <cstdint>
#include <span>

#include "base/context.h"
#include "kernels/kernel_table.h"
#include "tensor/kv_view.h"
#include "tensor/matrix_view.h"
#include "tensor/weight_matrix.h"

namespace minim {

// out[t, r] = sum over c of weights[r, c] * x[t, c].  x: [tokens, cols], out: [tokens, rows].
// Up to kernels::kFewRowsMax rows may sum in another order than more do. That the rows of a batch
// may be those of several texts, each computed as if alone, the first `few_rows` of x sum as few,
// and the others as many, however many there are; kByNumber: all by their number.
constexpr int64_t kByNumber = -1;
void matmul(const Context& context, const WeightMatrix& weights, ConstMatrixView x, MatrixView out,
            int64_t few_rows = kByNumber);

// Several products of one input (Q, K, V; gate and up): the input is prepared once.
struct MatmulTarget {
  const WeightMatrix* weights;
  MatrixView out;
};
void matmul(const Context& context, std::span<const MatmulTarget> targets, ConstMatrixView x,
            int64_t few_rows = kByNumber);

// out[t] = row ids[t] of the table, as floats; 0 <= ids[t] < table.rows().
void embed(const Context& context, const WeightMatrix& table, std::span<const int32_t> ids,
           MatrixView out);

// out = x / sqrt(mean(x^2) + epsilon) * weight, row by row (Zhang and Sennrich, 2019).
// `x` and `out` may be the same.
void rms_norm(const Context& context, ConstMatrixView x, std::span<const float> weight,
              float epsilon, MatrixView out);
// The same over each consecutive group of weight.size() columns (per-head query and key norms).
void rms_norm_heads(const Context& context, MatrixView x, std::span<const float> weight,
                    float epsilon);
// (x - mean) / sqrt(variance + epsilon) * weight + bias (Ba, Kiros and Hinton, 2016).
void layer_norm(const Context& context, ConstMatrixView x, std::span<const float> weight,
                std::span<const float> bias, float epsilon, MatrixView out);

// out += x, element by element.
void add(const Context& context, ConstMatrixView x, MatrixView out);
// Adds `bias` to every row.
void add_bias(const Context& context, std::span<const float> bias, MatrixView out);
void scale(const Context& context, float factor, MatrixView x);

using kernels::Activation;  // kSilu, kGeluTanh, kGeluErf, kReluSquared
// x = f(x)
void activate(const Context& context, Activation activation, MatrixView x);
// gate = f(gate) * up
void gated_activate(const Context& context, Activation activation, MatrixView gate,
                    ConstMatrixView up);
// x = cap * tanh(x / cap)
void soft_cap(const Context& context, float cap, MatrixView x);
// Row by row, in place.
void softmax(const Context& context, MatrixView x);

// Rotary position embedding (Su et al., 2021).
using kernels::RopePairing;  // kAdjacent, kHalves
struct RopeTable {
  // Angle of pair i at position p: p * frequencies[i]; the rotated part is multiplied by magnitude.
  std::span<const float> frequencies;  // [rotated dims / 2]
  float magnitude = 1.0f;
  RopePairing pairing = RopePairing::kHalves;
};
// Rotates the first 2 * frequencies.size() values of every head. x: [tokens, heads * head_dim].
// 0 <= positions[t] < 2^24.
void rope(const Context& context, const RopeTable& table, std::span<const int32_t> positions,
          int head_dim, MatrixView x);

// Appends rows of keys and values of one layer to the cache, rounded to its type.
// keys, values: [tokens, kv_heads * head_dim], stored at slots [first_slot, first_slot + tokens).
void store_kv(const Context& context, const KvView& cache, int layer, int64_t first_slot,
              ConstMatrixView keys, ConstMatrixView values);

struct AttentionOptions {
  int head_count = 0;     // query heads; a multiple of the cache's kv heads
  float scale = 1.0f;     // of the scores, usually 1 / sqrt(head_dim)
  float soft_cap = 0.0f;  // 0: none
  int window = 0;         // tokens seen, the current one included; 0: all
};
// Causal attention of one sequence over its cache: query t sees slots [0, first_slot + t], with
// online softmax, in memory that does not grow with the context (Milakov and Gimelshein, 2018).
// queries, out: [tokens, heads * head_dim]. With caches of q8_0 and q4_0 scores are products of
// queries rounded to 8 bits, a scale for each 32 values.
void attention(const Context& context, const KvView& cache, int layer, int64_t first_slot,
               const AttentionOptions& options, ConstMatrixView queries, MatrixView out);

// Rows of one sequence in a batch: what store_kv() and attention() take. Keys and values are stored
// first, those of all chunks; there may be none, or more than queries.
struct AttentionChunk {
  KvView cache;
  int64_t first_slot = 0;
  ConstMatrixView keys;    // [tokens, kv_heads * head_dim]
  ConstMatrixView values;  // [tokens, kv_heads * head_dim]
  ConstMatrixView queries;
  MatrixView out;
};
constexpr size_t kAttentionChunksMax = 64;
// All chunks at once, split over the threads together. REQUIRES: no two chunks store into one
// block, and where others read what a chunk stores, it stores more than one row.
void attention(const Context& context, int layer, const AttentionOptions& options,
               std::span<const AttentionChunk> chunks);

// Of a chunk of at least so many tokens, what a token gets depends neither on where the chunk
// begins and ends nor on what else is in the batch: the bits are the same however a text is cut
// into such chunks. Products share this (see kernels::kFewRowsMax).
constexpr int64_t kPromptTokensMin = kernels::kFewRowsMax + 1;

// The first slot that a token in `slot` makes attention read, with a window or (0) without: below
// what it sees by less than two blocks.
int64_t first_key_read(const KvLayout& layout, int64_t window, int64_t slot);

}  // namespace minim
