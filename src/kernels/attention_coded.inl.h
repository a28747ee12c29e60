// Attention over coded caches, whose scores are dot products of bytes: what extensions for
// whole-number products replace.
#pragma once

#include "kernels/attention_few.inl.h"
#include "kernels/attention_many.inl.h"

namespace minim::kernels::MINIM_ISA {
namespace {

template <typename Type>
void attend_over(const AttentionSlice& slice) {
  if (slice.tokens * slice.heads <= kFewRows) return attend_few<Type>(slice);
  attend_many<Type>(slice);
}

void attend_coded(const AttentionSlice& slice) noexcept {
  if (slice.cache_type == DataType::kQ8_0) return attend_over<Q8Codes>(slice);
  attend_over<Q4Codes>(slice);
}

}  // namespace
}  // namespace minim::kernels::MINIM_ISA
