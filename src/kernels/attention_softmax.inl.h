// Online softmax (Milakov and Gimelshein, 2018) over chunks of scores, in powers of two: queries
// are multiplied by log2(e) beforehand, which spares the exponential a product.
#pragma once

#include "kernels/attention_cache.inl.h"
#include "kernels/math.inl.h"

namespace minim::kernels::MINIM_ISA {
namespace {

constexpr float kInfinity = __builtin_inff();
constexpr float kLog2E = 0x1.715476p+0f;

// 2^x within 2 units in the last place, 2^0 exactly 1. Never below 2^-126: nothing next to the
// weight 1 that every row has, while subnormal numbers cost some processors a hundred cycles each.
// REQUIRES: x <= 127 or NaN.
MINIM_INLINE V::F power_of_two(V::F x) {
  x = V::max(V::set(-126.0f), x);  // NaN passes
  const V::F whole = V::round(x);
  const V::F rest = V::sub(x, whole);
  V::F p = V::set(0x1.5bba14p-10f);
  p = V::fma(p, rest, V::set(0x1.3cea88p-7f));
  p = V::fma(p, rest, V::set(0x1.c6b752p-5f));
  p = V::fma(p, rest, V::set(0x1.ebf9bcp-3f));
  p = V::fma(p, rest, V::set(0x1.62e42ap-1f));
  p = V::fma(p, rest, V::set(1.0f));
  return V::scale_by_power(p, whole);
}

MINIM_INLINE float power_of_two_of(float x) {
  float result[V::kLanes];
  V::store(result, power_of_two(V::set(x)));
  return result[0];
}

// What one row carries from chunk to chunk.
struct SoftmaxRow {
  float maximum;                      // of the scores so far, -infinity at first
  alignas(64) float sums[V::kLanes];  // of the weights, lane by lane
};

// The slots that a row sees: [first, last].
struct Visible {
  int64_t first;
  int64_t last;
};

MINIM_INLINE Visible visible_to(const AttentionSlice& slice, int row) {
  const int64_t last = slice.first_position + row / slice.heads;
  return {slice.window > 0 ? last - slice.window + 1 : 0, last};
}

MINIM_INLINE int clamp_lane(int64_t lane, const KeySpan& span) {
  return static_cast<int>(lane < span.begin ? span.begin : lane < span.end ? lane : span.end);
}

// Sets the scores of what the row does not see to `value`; returns how many it sees.
MINIM_INLINE int mask_span(const KeySpan& span, const Visible& visible, float value,
                           float* scores) {
  const int begin = clamp_lane(visible.first - span.first_key, span);
  const int end = clamp_lane(visible.last + 1 - span.first_key, span);
  if (begin >= end) {
    for (int key = 0; key < kSpanKeys; ++key) scores[key] = value;
    return 0;
  }
  for (int key = 0; key < begin; ++key) scores[key] = value;
  for (int key = end; key < kSpanKeys; ++key) scores[key] = value;
  return end - begin;
}

// Of the first `span_count` spans of a chunk, what one row sees.
template <int kSpans>
MINIM_INLINE int mask_row(const KeyChunk<kSpans>& chunk, int span_count, const Visible& visible,
                          float value, float* scores) {
  int seen = 0;
  for (int s = 0; s < span_count; ++s) {
    seen += mask_span(chunk.spans[s], visible, value, scores + s * kSpanKeys);
  }
  return seen;
}

// Scores of some rows, from row `first` of the slice on: row r of them begins at r * stride.
struct ScoreRows {
  float* scores;
  int64_t stride;
  SoftmaxRow* softmax;
  float* shrink;  // what was summed before is worth in the end
  int first;
  int count;
};

MINIM_INLINE void soft_cap_scores(float cap, float* scores, int count) {
  const V::F limit = V::set(cap);
  for (int key = 0; key < count; key += V::kLanes) {
    const V::F share = V::div(V::load(scores + key), limit);
    V::store(scores + key, V::mul(limit, hyperbolic_tangent(share)));
  }
}

MINIM_INLINE float largest_of(const float* scores, int count) {
  V::F largest = V::load(scores);
  for (int key = V::kLanes; key < count; key += V::kLanes) {
    largest = V::max(largest, V::load(scores + key));
  }
  return V::reduce_max(largest);
}

// A row's scores become weights.
MINIM_INLINE void weigh(float maximum, float shrink, int count, float* scores, SoftmaxRow& row) {
  const V::F shift = V::set(maximum);
  V::F sum = V::mul(V::load(row.sums), V::set(shrink));
  for (int key = 0; key < count; key += V::kLanes) {
    const V::F weight = power_of_two(V::sub(V::load(scores + key), shift));
    V::store(scores + key, weight);
    sum = V::add(sum, weight);
  }
  V::store(row.sums, sum);
  row.maximum = maximum;
}

// Turns the scores of the first `span_count` spans of a chunk into weights, zero for what a row
// does not see. All maxima come first: one alone would make the exponentials wait.
template <int kSpans, int kRowsMax>
MINIM_INLINE void soften(const AttentionSlice& slice, const KeyChunk<kSpans>& chunk, int span_count,
                         const ScoreRows& rows) {
  const int count = span_count * kSpanKeys;
  float maxima[kRowsMax];
  bool seen[kRowsMax];
  for (int r = 0; r < rows.count; ++r) {
    float* scores = rows.scores + r * rows.stride;
    if (slice.soft_cap > 0) soft_cap_scores(slice.soft_cap * kLog2E, scores, count);
    seen[r] = chunk.whole;
    if (!chunk.whole) {
      const Visible visible = visible_to(slice, rows.first + r);
      seen[r] = mask_row(chunk, span_count, visible, -kInfinity, scores) > 0;
    }
    const float before = rows.softmax[r].maximum;
    const float of_chunk = largest_of(scores, count);
    maxima[r] = of_chunk > before ? of_chunk : before;
  }
  for (int r = 0; r < rows.count; ++r) {
    float* scores = rows.scores + r * rows.stride;
    SoftmaxRow& row = rows.softmax[r];
    rows.shrink[r] = 1.0f;
    if (!seen[r]) {
      __builtin_memset(scores, 0, static_cast<size_t>(count) * sizeof(float));
      continue;
    }
    if (maxima[r] != row.maximum && row.maximum != -kInfinity) {
      rows.shrink[r] = power_of_two_of(row.maximum - maxima[r]);
    }
    weigh(maxima[r], rows.shrink[r], count, scores, row);
    // The power of -infinity is a little more than zero, enough to turn a tie of rounding, which
    // then depended on how much of the chunk is looked at.
    if (!chunk.whole) mask_row(chunk, span_count, visible_to(slice, rows.first + r), 0.0f, scores);
  }
}

// to[i] = factor * from[i].
MINIM_INLINE void scale_to(float factor, const float* from, int count, float* to) {
  const V::F by = V::set(factor);
  int i = 0;
  for (; i + V::kLanes <= count; i += V::kLanes) V::store(to + i, V::mul(V::load(from + i), by));
  if (i < count) {
    V::store_partial(to + i, V::mul(V::load_partial(from + i, count - i), by), count - i);
  }
}

// out[count] = the row's values over the sum of its weights.
MINIM_INLINE void finish_row(const SoftmaxRow& row, const float* values, int count, float* out) {
  scale_to(1.0f / V::reduce_add(V::load(row.sums)), values, count, out);
}

// Or what merge_partial_attention() takes: maximum, sum, values.
MINIM_INLINE void finish_partial_row(const SoftmaxRow& row, const float* values, int count,
                                     float* partial) {
  partial[0] = row.maximum;
  partial[1] = V::reduce_add(V::load(row.sums));
  __builtin_memcpy(partial + 2, values, static_cast<size_t>(count) * sizeof(float));
}

MINIM_INLINE void finish_slice_row(const AttentionSlice& slice, int row, const SoftmaxRow& state,
                                   const float* values) {
  if (slice.partial != nullptr) {
    return finish_partial_row(state, values, slice.head_dim,
                              slice.partial + int64_t{row} * (2 + slice.head_dim));
  }
  finish_row(state, values, slice.head_dim,
             slice.out + row / slice.heads * slice.out_stride +
                 int64_t{row % slice.heads} * slice.head_dim);
}

}  // namespace
}  // namespace minim::kernels::MINIM_ISA
