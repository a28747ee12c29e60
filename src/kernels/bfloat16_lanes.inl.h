// Products of half-precision weights by way of bfloat16, where the processor has them: with many
// tokens, weights and activations are rounded to it and summed in float. With few tokens, where
// only reading the weights takes time, nothing is rounded.
#pragma once

#include "kernels/kernel_table.h"
#include "kernels/matmul_float.inl.h"

namespace minim::kernels::MINIM_ISA {
namespace {

struct Bfloat16Lanes {
  static constexpr int kCols = 2;
  using W = V::I;
  MINIM_INLINE W load(const float* lanes) { return V::load_i(lanes); }
  MINIM_INLINE W set(const float* lane) { return V::broadcast_i(lane); }
  MINIM_INLINE V::F multiply_add(W weights, W x, V::F sums) {
    return V::dot_bfloat16(sums, weights, x);
  }
  // Writes whole vectors of lanes.
  MINIM_INLINE void make(const float* values, int64_t count, float* lanes) {
    int64_t i = 0;
    for (; i + 2 * V::kLanes <= count; i += 2 * V::kLanes) {
      const V::I pairs = V::to_bfloat16(V::load(values + i), V::load(values + i + V::kLanes));
      V::store_i(lanes + i / 2, pairs);
    }
    const int rest = static_cast<int>(count - i);
    if (rest == 0) return;
    const V::F low = V::load_partial(values + i, rest < V::kLanes ? rest : V::kLanes);
    const V::F high =
        rest > V::kLanes ? V::load_partial(values + i + V::kLanes, rest - V::kLanes) : V::zero();
    V::store_i(lanes + i / 2, V::to_bfloat16(low, high));
  }
};

template <typename Type>
constexpr MatmulKernel bfloat16_kernel() {
  return stored_kernel<Type, Bfloat16Lanes>(MatmulPrecision::kBfloat16);
}

int64_t probe_bfloat16_products(int64_t steps) noexcept {
  constexpr int kChains = 12;
  V::F sums[kChains];
  MINIM_UNROLL
  for (int i = 0; i < kChains; ++i) sums[i] = V::zero();
  V::I factor = V::zero_i();
  for (int64_t step = 0; step < steps; ++step) {
    MINIM_UNROLL
    for (int i = 0; i < kChains; ++i) sums[i] = V::dot_bfloat16(sums[i], factor, factor);
    asm volatile("" : MINIM_REGISTER(factor));  // every round is computed
  }
  for (int i = 1; i < kChains; ++i) sums[0] = V::add(sums[0], sums[i]);
  asm volatile("" : MINIM_REGISTER(sums[0]));
  return steps * 4 * kChains * V::kLanes;
}

}  // namespace
}  // namespace minim::kernels::MINIM_ISA
