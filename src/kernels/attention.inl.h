// Attention over a blocked cache: what the table of an instruction set lists of it.
#pragma once

#include "kernels/attention_few.inl.h"
#include "kernels/attention_many.inl.h"

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

template <typename Type>
void attend_over(const AttentionSlice& slice) {
  if (slice.tokens * slice.heads <= kFewRows) return attend_few<Type>(slice);
  attend_many<Type>(slice);
}

void attend(const AttentionSlice& slice) noexcept {
  switch (slice.cache_type) {
    case DataType::kF32: return attend_over<PlainF32>(slice);
    case DataType::kQ8_0: return attend_over<Q8Codes>(slice);
    case DataType::kQ4_0: return attend_over<Q4Codes>(slice);
    default: return attend_over<PlainF16>(slice);
  }
}

}  // namespace
}  // namespace minim::kernels::MINIM_ISA
