// The limit that products of bytes are measured against.
#pragma once

#include "kernels/simd/attributes.h"

namespace minim::kernels::MINIM_ISA {
namespace {

MINIM_INLINE V::I join_sums(V::I all, V::I sums) { return V::or_i(all, sums); }
MINIM_INLINE V::I join_sums(V::I all, V::Narrow sums) { return V::add_narrow(all, sums); }

// Products of bytes, `products` of them in a call of dot(sums, weights, x).
template <typename Sums, typename Dot>
MINIM_INLINE int64_t probe_sums(int64_t steps, int products, Sums zero, Dot dot) {
  constexpr int kChains = 12;  // enough to hide the latency of every machine so far
  alignas(64) static constexpr uint8_t kBytes[4 * V::kLanes] = {1, 2, 3};
  const V::I weights = V::load_i(kBytes);
  V::I x = weights;
  Sums sums[kChains];
  MINIM_UNROLL
  for (int i = 0; i < kChains; ++i) sums[i] = zero;
  for (int64_t step = 0; step < steps; ++step) {
    MINIM_UNROLL
    for (int i = 0; i < kChains; ++i) {
      asm volatile("" : MINIM_REGISTER(x));  // so that no two products are taken for one
      sums[i] = dot(sums[i], weights, x);
    }
  }
  V::I all = V::zero_i();
  MINIM_UNROLL
  for (int i = 0; i < kChains; ++i) all = join_sums(all, sums[i]);
  asm volatile("" : MINIM_REGISTER(all));
  return steps * 2 * kChains * products;
}

}  // namespace
}  // namespace minim::kernels::MINIM_ISA
