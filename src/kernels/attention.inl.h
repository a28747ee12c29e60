// Attention over a blocked cache with online softmax (Milakov and Gimelshein, 2018): keys come in
// chunks, each row (a token's query head) keeps its running maximum, sum and weighted values, and
// rescales them when the maximum grows. With few rows the cache streams through in place; with
// many, a chunk becomes two panels of floats and the products are those of matmul_float.inl.h.
#pragma once

#include "kernels/matmul_float.inl.h"
#include "kernels/rows.inl.h"

namespace minim::kernels::MINIM_ISA {
namespace {

constexpr int kAttentionRows = 4 * V::kTokenTile;
constexpr int kKeyChunk = 32;  // a whole number of panels on every instruction set
constexpr int kFewAttentionRows = 4;
static_assert(kKeyChunk % kPanelRows == 0);

constexpr float kInfinity = __builtin_inff();

// A head padded to whole vectors.
MINIM_INLINE int padded_dim(int head_dim) {
  return (head_dim + V::kLanes - 1) / V::kLanes * V::kLanes;
}

size_t attention_scratch_values(int tokens, int heads, int head_dim) noexcept {
  const auto rows = static_cast<size_t>(tokens) * static_cast<size_t>(heads);
  const auto padded = static_cast<size_t>(padded_dim(head_dim));
  return rows * (2 * padded + kKeyChunk + 2) + 2 * size_t{kKeyChunk} * padded;
}

// The parts of the scratch memory.
struct AttentionState {
  int rows;
  int64_t padded;
  float* queries;  // [rows, padded], scaled
  float* outputs;  // [rows, padded], not yet divided by the sums
  float* scores;   // [rows, kKeyChunk]
  float* maximum;  // [rows]
  float* sum;      // [rows]
  float* floats;   // [kKeyChunk, padded]: a chunk of keys or values
  float* panel;    // [padded, kKeyChunk]: keys, interleaved
};

MINIM_INLINE AttentionState begin_attention(const AttentionSlice& slice) {
  AttentionState state;
  state.rows = slice.tokens * slice.heads;
  state.padded = padded_dim(slice.head_dim);
  const int64_t all = state.rows * state.padded;
  state.queries = slice.scratch;
  state.outputs = state.queries + all;
  state.scores = state.outputs + all;
  state.maximum = state.scores + int64_t{state.rows} * kKeyChunk;
  state.sum = state.maximum + state.rows;
  state.floats = state.sum + state.rows;
  state.panel = state.floats + kKeyChunk * state.padded;
  __builtin_memset(state.queries, 0, static_cast<size_t>(2 * all) * sizeof(float));
  const V::F scale = V::set(slice.scale);
  for (int row = 0; row < state.rows; ++row) {
    state.maximum[row] = -kInfinity;
    state.sum[row] = 0;
    map_row(slice.queries + row / slice.heads * slice.query_stride +
                int64_t{row % slice.heads} * slice.head_dim,
            state.queries + row * state.padded, slice.head_dim,
            [scale](V::F a) { return V::mul(a, scale); });
  }
  return state;
}

// `count` cached rows one after the other, of `dim` values each.
struct CachedRows {
  const std::byte* data;
  int64_t stride;
  int count;
  int dim;
};

// scores[row][key] of kRows rows: lanes along the head, summed across at the end.
template <typename Type, int kRows>
void score_few(const AttentionState& state, const CachedRows& keys) {
  for (int first = 0; first < keys.count; first += V::kLanes) {
    V::F sums[kRows][V::kLanes];
    for (int lane = 0; lane < V::kLanes; ++lane) {
      V::F dots[kRows];
      MINIM_UNROLL
      for (int r = 0; r < kRows; ++r) dots[r] = V::zero();
      if (first + lane < keys.count) {
        const std::byte* key = keys.data + (first + lane) * keys.stride;
        int i = 0;
        for (; i + V::kLanes <= keys.dim; i += V::kLanes) {
          const V::F values = Type::load(key + i * Type::kBytes);
          MINIM_UNROLL
          for (int r = 0; r < kRows; ++r) {
            dots[r] = V::fma(values, V::load(state.queries + r * state.padded + i), dots[r]);
          }
        }
        if (i < keys.dim) {
          const V::F values = Type::load_partial(key + i * Type::kBytes, keys.dim - i);
          MINIM_UNROLL
          for (int r = 0; r < kRows; ++r) {
            dots[r] = V::fma(values, V::load(state.queries + r * state.padded + i), dots[r]);
          }
        }
      }
      MINIM_UNROLL
      for (int r = 0; r < kRows; ++r) sums[r][lane] = dots[r];
    }
    for (int r = 0; r < kRows; ++r) {
      V::store(state.scores + r * kKeyChunk + first, V::reduce_rows(sums[r]));
    }
  }
}

// outputs[row] += weights[row] x values for kVectors vectors of the head, from value `at` on.
template <typename Type, int kRows, int kVectors>
MINIM_INLINE void add_values_at(const AttentionState& state, const CachedRows& values, int at) {
  V::F sums[kRows][kVectors];
  float* outputs = state.outputs + at;
  MINIM_UNROLL
  for (int r = 0; r < kRows; ++r) {
    MINIM_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      sums[r][v] = V::load(outputs + r * state.padded + v * V::kLanes);
    }
  }
  const int rest = values.dim - at;  // matters only where one vector is not whole
  for (int key = 0; key < values.count; ++key) {
    const std::byte* row = values.data + key * values.stride + at * Type::kBytes;
    MINIM_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      const V::F value = kVectors == 1 && rest < V::kLanes
                             ? Type::load_partial(row, rest)
                             : Type::load(row + v * V::kLanes * Type::kBytes);
      MINIM_UNROLL
      for (int r = 0; r < kRows; ++r) {
        sums[r][v] = V::fma(value, V::set(state.scores[r * kKeyChunk + key]), sums[r][v]);
      }
    }
  }
  MINIM_UNROLL
  for (int r = 0; r < kRows; ++r) {
    MINIM_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      V::store(outputs + r * state.padded + v * V::kLanes, sums[r][v]);
    }
  }
}

template <typename Type, int kRows>
void add_values_few(const AttentionState& state, const CachedRows& values) {
  constexpr int kVectors = 2 * V::kPanelVectors;
  int at = 0;
  for (; at + kVectors * V::kLanes <= values.dim; at += kVectors * V::kLanes) {
    add_values_at<Type, kRows, kVectors>(state, values, at);
  }
  for (; at < values.dim; at += V::kLanes) add_values_at<Type, kRows, 1>(state, values, at);
}

// state.floats = the rows as floats, zeros up to a whole number of vectors of rows and columns.
template <typename Type>
void widen_rows(const AttentionState& state, const CachedRows& rows) {
  const int padded_rows = padded_dim(rows.count);
  for (int r = 0; r < padded_rows; ++r) {
    float* to = state.floats + r * state.padded;
    const int kept = r < rows.count ? rows.dim : 0;
    if (kept > 0) expand<Type>(rows.data + r * rows.stride, 0, kept, to);
    for (int64_t i = kept; i < state.padded; ++i) to[i] = 0;
  }
}

template <typename Type>
void score_many(const AttentionState& state, const CachedRows& keys) {
  widen_rows<Type>(state, keys);
  for (int key = 0; key < keys.count; key += V::kLanes) {
    for (int64_t i = 0; i < state.padded; i += V::kLanes) {
      V::transpose(state.floats + key * state.padded + i, state.padded,
                   state.panel + i * kKeyChunk + key, kKeyChunk);
    }
  }
  multiply_panel<0>(state.rows, {.panel = state.panel,
                                 .panel_stride = kKeyChunk,
                                 .depth = keys.dim,
                                 .x = state.queries,
                                 .x_stride = state.padded,
                                 .out = state.scores,
                                 .out_stride = kKeyChunk,
                                 .rows = padded_dim(keys.count),
                                 .accumulate = false});
}

template <typename Type>
void add_values_many(const AttentionState& state, const CachedRows& values) {
  widen_rows<Type>(state, values);
  multiply_panel<0>(state.rows, {.panel = state.floats,
                                 .panel_stride = state.padded,
                                 .depth = values.count,
                                 .x = state.scores,
                                 .x_stride = kKeyChunk,
                                 .out = state.outputs,
                                 .out_stride = state.padded,
                                 .rows = static_cast<int>(state.padded),
                                 .accumulate = true});
}

// Turns the scores of keys [begin, end) of a chunk into weights, the others into zeros, and brings
// the row's maximum, sum and outputs up to date.
void update_softmax(const AttentionState& state, int row, int begin, int end, float soft_cap) {
  float* scores = state.scores + int64_t{row} * kKeyChunk;
  if (begin >= end) {
    for (int key = 0; key < kKeyChunk; ++key) scores[key] = 0;
    return;
  }
  if (soft_cap > 0) soft_cap_row(soft_cap, scores + begin, end - begin);
  for (int key = 0; key < begin; ++key) scores[key] = -kInfinity;
  for (int key = end; key < kKeyChunk; ++key) scores[key] = -kInfinity;
  V::F largest = V::load(scores);
  for (int key = V::kLanes; key < kKeyChunk; key += V::kLanes) {
    largest = V::max(largest, V::load(scores + key));
  }
  const float before = state.maximum[row];
  const float of_chunk = V::reduce_max(largest);
  const float maximum = of_chunk > before ? of_chunk : before;
  const V::F shift = V::set(maximum);
  V::F sum = V::zero();
  for (int key = 0; key < kKeyChunk; key += V::kLanes) {
    const V::F weight = exponential(V::sub(V::load(scores + key), shift));
    V::store(scores + key, weight);
    sum = V::add(sum, weight);
  }
  if (maximum != before) {
    float shrink = before - maximum;
    exponential_row(&shrink, 1);
    state.sum[row] *= shrink;
    scale_row(shrink, state.outputs + row * state.padded, state.padded);
  }
  state.maximum[row] = maximum;
  state.sum[row] += V::reduce_add(sum);
}

template <typename Type, int kRows>
MINIM_INLINE void score_rows(const AttentionState& state, const CachedRows& keys) {
  if (state.rows > kFewAttentionRows) return score_many<Type>(state, keys);
  if (state.rows == kRows) return score_few<Type, kRows>(state, keys);
  if constexpr (kRows > 1) score_rows<Type, kRows - 1>(state, keys);
}

template <typename Type, int kRows>
MINIM_INLINE void add_value_rows(const AttentionState& state, const CachedRows& values) {
  if (state.rows > kFewAttentionRows) return add_values_many<Type>(state, values);
  if (state.rows == kRows) return add_values_few<Type, kRows>(state, values);
  if constexpr (kRows > 1) add_value_rows<Type, kRows - 1>(state, values);
}

MINIM_INLINE void finish_attention(const AttentionSlice& slice, const AttentionState& state) {
  for (int row = 0; row < state.rows; ++row) {
    const float* outputs = state.outputs + row * state.padded;
    if (slice.partial != nullptr) {
      float* to = slice.partial + int64_t{row} * (2 + slice.head_dim);
      to[0] = state.maximum[row];
      to[1] = state.sum[row];
      __builtin_memcpy(to + 2, outputs, static_cast<size_t>(slice.head_dim) * sizeof(float));
      continue;
    }
    const V::F inverse = V::set(1.0f / state.sum[row]);
    map_row(outputs,
            slice.out + row / slice.heads * slice.out_stride +
                int64_t{row % slice.heads} * slice.head_dim,
            slice.head_dim, [inverse](V::F a) { return V::mul(a, inverse); });
  }
}

template <typename Type>
void attend_over(const AttentionSlice& slice) {
  const AttentionState state = begin_attention(slice);
  const int64_t stride = int64_t{slice.head_dim} * Type::kBytes;
  for (int64_t key = slice.key_begin; key < slice.key_end;) {
    const int64_t offset = key % slice.block_tokens;
    int64_t count = slice.key_end - key;
    if (count > slice.block_tokens - offset) count = slice.block_tokens - offset;
    if (count > kKeyChunk) count = kKeyChunk;
    const std::byte* block = slice.blocks[key / slice.block_tokens] + offset * stride;
    CachedRows cached{block + slice.key_offset, stride, static_cast<int>(count), slice.head_dim};
    score_rows<Type, kFewAttentionRows>(state, cached);
    for (int row = 0; row < state.rows; ++row) {
      const int64_t position = slice.first_position + row / slice.heads;
      const int64_t first = slice.window > 0 ? position - slice.window + 1 - key : 0;
      const int64_t last = position + 1 - key;
      update_softmax(state, row,
                     static_cast<int>(first < 0       ? 0
                                      : first < count ? first
                                                      : count),
                     static_cast<int>(last < 0       ? 0
                                      : last < count ? last
                                                     : count),
                     slice.soft_cap);
    }
    cached.data = block + slice.value_offset;
    add_value_rows<Type, kFewAttentionRows>(state, cached);
    key += count;
  }
  finish_attention(slice, state);
}

void attend(const AttentionSlice& slice) noexcept {
  if (slice.cache_type == DataType::kF32) return attend_over<F32>(slice);
  attend_over<F16>(slice);
}

void merge_partial_attention(const float* parts, int part_count, int64_t part_stride, int head_dim,
                             float* out) noexcept {
  float maximum = parts[0];
  for (int part = 1; part < part_count; ++part) {
    const float other = parts[part * part_stride];
    maximum = other > maximum ? other : maximum;
  }
  float sum = 0;
  for (int part = 0; part < part_count; ++part) {
    const float* from = parts + part * part_stride;
    float weight = from[0] - maximum;
    exponential_row(&weight, 1);
    sum += weight * from[1];
    const V::F factor = V::set(weight);
    if (part == 0) {
      map_row(from + 2, out, head_dim, [factor](V::F a) { return V::mul(a, factor); });
    } else {
      map_rows(from + 2, out, out, head_dim,
               [factor](V::F a, V::F b) { return V::fma(a, factor, b); });
    }
  }
  scale_row(1.0f / sum, out, head_dim);
}

}  // namespace
}  // namespace minim::kernels::MINIM_ISA
