// Online softmax (Milakov and Gimelshein, 2018) over chunks of scores, in powers of two: queries
// are multiplied by log2(e) beforehand, which spares the exponential a product.
#pragma once

#include "kernels/attention_cache.inl.h"

namespace minim::kernels::MINIM_ISA {
namespace {

constexpr float kInfinity = __builtin_inff();
constexpr float kLog2E = 0x1.715476p+0f;

// 2^x within 2 units in the last place, 2^0 exactly 1; 0 below -150. REQUIRES: x <= 127 or NaN.
MINIM_INLINE V::F power_of_two(V::F x) {
  x = V::max(V::set(-150.0f), x);  // NaN passes
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

// Sets the scores of what the row does not see to -infinity; returns how many it sees.
MINIM_INLINE int mask_span(const KeySpan& span, const Visible& visible, float* scores) {
  const int begin = clamp_lane(visible.first - span.first_key, span);
  const int end = clamp_lane(visible.last + 1 - span.first_key, span);
  if (begin >= end) {
    for (int key = 0; key < kSpanKeys; ++key) scores[key] = -kInfinity;
    return 0;
  }
  for (int key = 0; key < begin; ++key) scores[key] = -kInfinity;
  for (int key = end; key < kSpanKeys; ++key) scores[key] = -kInfinity;
  return end - begin;
}

// Turns the scores of some spans, the rest of whose row is masked here, into weights. Returns the
// factor that what was summed before is worth now.
MINIM_INLINE float soften(const AttentionSlice& slice, const KeySpan* spans, int span_count,
                          const Visible& visible, float* scores, SoftmaxRow& row) {
  const int count = span_count * kSpanKeys;
  if (slice.soft_cap > 0) soft_cap_row(slice.soft_cap * kLog2E, scores, count);
  int seen = 0;
  for (int s = 0; s < span_count; ++s) seen += mask_span(spans[s], visible, scores + s * kSpanKeys);
  if (seen == 0) {
    for (int key = 0; key < count; ++key) scores[key] = 0;
    return 1.0f;
  }
  V::F largest = V::load(scores);
  for (int key = V::kLanes; key < count; key += V::kLanes) {
    largest = V::max(largest, V::load(scores + key));
  }
  const float before = row.maximum;
  const float of_chunk = V::reduce_max(largest);
  const float maximum = of_chunk > before ? of_chunk : before;
  const float shrink = maximum == before ? 1.0f : power_of_two_of(before - maximum);
  const V::F shift = V::set(maximum);
  V::F sum = V::mul(V::load(row.sums), V::set(shrink));
  for (int key = 0; key < count; key += V::kLanes) {
    const V::F weight = power_of_two(V::sub(V::load(scores + key), shift));
    V::store(scores + key, weight);
    sum = V::add(sum, weight);
  }
  V::store(row.sums, sum);
  row.maximum = maximum;
  return shrink;
}

// out[count] = the row's values over the sum of its weights.
MINIM_INLINE void finish_row(const SoftmaxRow& row, const float* values, int64_t count,
                             float* out) {
  const V::F inverse = V::set(1.0f / V::reduce_add(V::load(row.sums)));
  map_row(values, out, count, [inverse](V::F a) { return V::mul(a, inverse); });
}

// Or what merge_partial_attention() takes: maximum, sum, values.
MINIM_INLINE void finish_partial_row(const SoftmaxRow& row, const float* values, int64_t count,
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
    const float weight = power_of_two_of(from[0] - maximum);
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
