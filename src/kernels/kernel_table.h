// The kernels of one instruction set, as a table of functions. Kernels take pointers and strides,
// never start threads, never allocate and never fail: who calls them has checked the shapes.
// Included by the files of every instruction set: declarations only, no inline code.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/cpu.h"
#include "kernels/data_type.h"
#include "kernels/gemm_kernel.h"
#include "kernels/training_kernels.h"

namespace minim::kernels {

// How the products of a matrix are formed, the finest first.
enum class MatmulPrecision {
  kFloat32,   // weights become floats; products and sums in float, whatever the type
  kBfloat16,  // of many tokens, weights and activations are rounded to bfloat16; sums in float
  kInt8,      // activations rounded to 8 bits a value, products of integers
};

// Which sum of a product: kernels that stream their weights for few tokens sum in another order
// than for many. Both are right; their last bits differ.
enum class SumOrder {
  kByTokens,  // as few tokens up to kFewRowsMax
  kFew,       // as few tokens, however many there are
  kMany,      // as many tokens, however few there are
};

// One thread's part of out[t, r] = sum over c of weights[r, c] * x[t, c].
struct MatmulSlice {
  const std::byte* weights = nullptr;  // the whole matrix, in the kernel's layout
  int64_t cols = 0;
  int64_t row_begin = 0;  // the slice: rows [row_begin, row_end) of the matrix
  int64_t row_end = 0;
  const std::byte* input = nullptr;  // [tokens] rows of floats, or of what prepare() wrote
  int64_t input_stride = 0;          // bytes from one token to the next
  int64_t tokens = 0;
  float* out = nullptr;    // [tokens, rows of the matrix]
  int64_t out_stride = 0;  // values from one token to the next
  SumOrder order = SumOrder::kByTokens;
};

// A way to multiply with one type of weight: what WeightMatrix looks for when it packs.
struct MatmulKernel {
  DataType type;
  MatmulPrecision precision;
  int row_multiple;  // slices begin at a multiple of this
  bool two_orders;   // whether the order of sums depends on the number of tokens

  // The layout that the kernel reads. Null: rows as files store them, one after the other.
  size_t (*packed_bytes)(int64_t rows, int64_t cols) noexcept;
  // Packs rows [row_begin, row_end) of `stored`, which holds all rows. REQUIRES: row_begin is a
  // multiple of row_multiple.
  void (*pack)(const std::byte* stored, int64_t row_begin, int64_t row_end, int64_t cols,
               std::byte* packed) noexcept;
  // Row `row` of the matrix as floats, from the kernel's layout.
  void (*dequantize_row)(const std::byte* weights, int64_t cols, int64_t row, float* out) noexcept;

  // The activations that the kernel reads: bytes a token, and how they are made. Null: floats.
  size_t (*prepared_bytes)(int64_t cols) noexcept;
  void (*prepare)(const float* x, int64_t cols, std::byte* prepared) noexcept;

  void (*multiply)(const MatmulSlice& slice) noexcept;
};

struct MatmulList {
  const MatmulKernel* kernels;
  int count;
};

struct AttentionSlice;

// Products by way of bfloat16, where the processor has them.
struct Bfloat16Kernels {
  MatmulList matmuls;      // kBfloat16: types of 16 bits
  const GemmKernel* gemm;  // of two matrices of floats, both rounded
  // Operations done in `steps` rounds of independent products in vector registers, for benchmarks.
  int64_t (*probe_products)(int64_t steps) noexcept;
};

// The part of a table that extensions for whole-number products replace.
struct Int8Kernels {
  MatmulList matmuls;  // kInt8: every type of whole-number codes
  void (*attention)(const AttentionSlice& slice) noexcept;  // over caches of kQ8_0 and kQ4_0
  // Likewise, of bytes.
  int64_t (*probe_products)(int64_t steps) noexcept;
};

enum class Activation { kSilu, kGeluTanh, kGeluErf, kReluSquared };

enum class RopePairing {
  kAdjacent,  // (0, 1), (2, 3), ...: llama files in GGUF and llama2.c
  kHalves,    // (0, d/2), (1, d/2 + 1), ...: GPT-NeoX and most others
};

// One token's heads, of which the first 2 * pair_count values each are rotated in place.
struct RopeSlice {
  float* x = nullptr;  // [head_count, head_dim]
  int head_count = 0;
  int head_dim = 0;
  const float* frequencies = nullptr;  // [pair_count]
  int pair_count = 0;
  float position = 0;
  float magnitude = 1;
  RopePairing pairing = RopePairing::kHalves;
};

// Up to so many rows, products with weights as they are stored (rows are tokens) and attention
// (rows are tokens * heads) stream what they read, and sum in another order than for more. On
// either side of this number results are the same bits for any number of rows; across it they are
// not.
constexpr int kFewRowsMax = 8;  // measured on Cascade Lake

// Tokens of a cache that lie together; tensor/kv_view.h draws how.
constexpr int kCacheGroupTokens = 16;

// Rows of one key-value head on their way into the cache.
struct CacheStoreSlice {
  DataType cache_type = DataType::kF16;  // kF32, kF16, kQ8_0 or kQ4_0
  std::byte* const* blocks = nullptr;
  int block_tokens = 0;
  size_t group_bytes = 0;  // from one group of a head's tokens to the next
  size_t key_offset = 0;   // of this head's first group in every block
  size_t value_offset = 0;
  int head_dim = 0;

  int64_t first_slot = 0;
  int64_t tokens = 0;
  const float* keys = nullptr;  // [tokens, head_dim]
  int64_t key_stride = 0;       // values from one token to the next
  const float* values = nullptr;
  int64_t value_stride = 0;
};

// Some query heads that share one key-value head, over some tokens and a range of the cache.
struct AttentionSlice {
  DataType cache_type = DataType::kF16;  // and so on, as in CacheStoreSlice
  const std::byte* const* blocks = nullptr;
  int block_tokens = 0;
  size_t group_bytes = 0;
  size_t key_offset = 0;
  size_t value_offset = 0;
  int head_dim = 0;

  const float* queries = nullptr;  // [tokens, heads, head_dim]; heads are adjacent
  int64_t query_stride = 0;        // values from one token to the next
  int tokens = 0;
  int heads = 0;
  int64_t first_position = 0;  // of token 0: it sees slots [0, first_position]
  int64_t key_begin = 0;       // slots looked at: [key_begin, key_end)
  int64_t key_end = 0;
  int64_t window = 0;  // 0: no limit
  float scale = 1;
  float soft_cap = 0;  // 0: none

  // The result: normalised, or partial for merge_attention() where `partial` is not null.
  float* out = nullptr;  // [tokens, heads, head_dim]
  int64_t out_stride = 0;
  float* partial = nullptr;  // [tokens * heads, 2 + head_dim]: maximum, sum, weighted values
  float* scratch = nullptr;  // attention_scratch_values() floats
};

// The rows of this table are the whole registration: dispatch, tests and benchmarks loop over it.
// Rows of `count` values; in and out may be the same unless said otherwise.
struct KernelTable {
  InstructionSet set;

  MatmulList float_matmuls;  // kFloat32: every weight type
  Bfloat16Kernels bfloat16;  // no kernels and no probe where the processor has no such products
  Int8Kernels int8;
  GemmKernel gemm;  // of two matrices in float
  TrainingKernels training;

  void (*add)(const float* x, float* out, int64_t count) noexcept;  // out += x
  void (*scale)(float factor, float* x, int64_t count) noexcept;
  void (*soft_cap)(float cap, float* x, int64_t count) noexcept;
  void (*activate)(Activation activation, float* x, int64_t count) noexcept;
  void (*gated_activate)(Activation activation, float* gate, const float* up,
                         int64_t count) noexcept;
  void (*exponential)(float* x, int64_t count) noexcept;
  // The largest value that is a number; minus infinity if there is none.
  float (*maximum)(const float* x, int64_t count) noexcept;
  // The sum of e^(x - offset).
  float (*exponential_sum)(const float* x, float offset, int64_t count) noexcept;
  void (*softmax)(float* x, int64_t count) noexcept;
  void (*rms_norm)(const float* x, const float* weight, float epsilon, float* out,
                   int64_t count) noexcept;
  void (*layer_norm)(const float* x, const float* weight, const float* bias, float epsilon,
                     float* out, int64_t count) noexcept;
  void (*rope)(const RopeSlice& slice) noexcept;
  void (*store_half)(const float* x, void* out, int64_t count) noexcept;

  void (*store_in_cache)(const CacheStoreSlice& slice) noexcept;
  // The most rows (tokens * heads) that one slice of attention works on at a time well.
  int attention_rows;
  size_t (*attention_scratch_values)(DataType cache_type, int tokens, int heads,
                                     int head_dim) noexcept;
  void (*attention)(const AttentionSlice& slice) noexcept;  // over caches of kF32 and kF16
  // out[head_dim] of one row from its `part_count` partial results, `part_stride` floats apart.
  void (*merge_attention)(const float* parts, int part_count, int64_t part_stride, int head_dim,
                          float* out) noexcept;

  // What the machine can do, for benchmarks and tuning: each returns the operations that it did in
  // `steps` rounds of independent fused products, and the sum of `count` floats read in order.
  int64_t (*probe_products)(int64_t steps) noexcept;
  float (*probe_reads)(const float* x, int64_t count) noexcept;
};

}  // namespace minim::kernels
