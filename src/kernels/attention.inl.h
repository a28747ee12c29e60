// Attention over a blocked cache: what the table of an instruction set lists of it.
#pragma once

#include "kernels/attention_coded.inl.h"
#include "kernels/attention_store.inl.h"

namespace minim::kernels::MINIM_ISA {
namespace {

constexpr int kAttentionRows = 8 * kQueryTile;

size_t attention_scratch_values(DataType type, int tokens, int heads, int head_dim) noexcept {
  const int64_t rows = int64_t{tokens} * heads;
  ScratchParts parts(nullptr);
  if (rows <= kFewRows) {
    take_few_rows(parts, type, rows, head_dim);
  } else {
    take_many_rows(parts, type, rows, head_dim);
  }
  return parts.floats();
}

void attend(const AttentionSlice& slice) noexcept {
  if (slice.cache_type == DataType::kF32) return attend_over<PlainF32>(slice);
  attend_over<PlainF16>(slice);
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
