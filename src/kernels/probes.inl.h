// The limits that products are measured against.
#pragma once

#include "kernels/simd/attributes.h"

namespace minim::kernels::MINIM_ISA {
namespace {

int64_t probe_products(int64_t steps) noexcept {
  constexpr int kChains = 12;  // enough to hide the latency of every machine so far
  V::F sums[kChains];
  MINIM_UNROLL
  for (int i = 0; i < kChains; ++i) sums[i] = V::set(static_cast<float>(i));
  V::F factor = V::set(0.5f);
  for (int64_t step = 0; step < steps; ++step) {
    MINIM_UNROLL
    for (int i = 0; i < kChains; ++i) sums[i] = V::fma(sums[i], factor, factor);
    asm volatile("" : MINIM_REGISTER(factor));  // every round is computed
  }
  for (int i = 1; i < kChains; ++i) sums[0] = V::add(sums[0], sums[i]);
  asm volatile("" : MINIM_REGISTER(sums[0]));
  return steps * 2 * kChains * V::kLanes;
}

float probe_reads(const float* x, int64_t count) noexcept {
  constexpr int kChains = 8;
  V::F sums[kChains];
  MINIM_UNROLL
  for (int i = 0; i < kChains; ++i) sums[i] = V::zero();
  for (int64_t at = 0; at + kChains * V::kLanes <= count; at += kChains * V::kLanes) {
    MINIM_UNROLL
    for (int i = 0; i < kChains; ++i) sums[i] = V::add(sums[i], V::load(x + at + i * V::kLanes));
  }
  for (int i = 1; i < kChains; ++i) sums[0] = V::add(sums[0], sums[i]);
  return V::reduce_add(sums[0]);
}

}  // namespace
}  // namespace minim::kernels::MINIM_ISA
