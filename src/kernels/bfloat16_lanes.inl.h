// Products of half-precision weights by way of bfloat16, where the processor has them: with many
// tokens, weights and activations are rounded to it and summed in float. With few tokens, where
// only reading the weights takes time, nothing is rounded.
#pragma once

#include "kernels/kernel_table.h"
#include "kernels/matmul_float.inl.h"

namespace minim::kernels::MINIM_ISA {
namespace {

// A prepared row: the floats, for few tokens, then the same as bfloat16, in whole cache lines.
MINIM_INLINE int64_t bfloat16_offset(int64_t cols) { return whole_lines(cols * 4); }
MINIM_INLINE const float* bfloat16_lanes(const MatmulSlice& slice, int64_t token, int64_t column) {
  return reinterpret_cast<const float*>(slice.input + token * slice.input_stride +
                                        bfloat16_offset(slice.cols) + column * 2);
}

struct Bfloat16Lanes {
  static constexpr int kCols = 2;
  using W = V::I;
  MINIM_INLINE W load(const float* lanes) { return V::load_i(lanes); }
  MINIM_INLINE W set(const float* lane) { return V::broadcast_i(lane); }
  MINIM_INLINE V::F multiply_add(W weights, W x, V::F sums) {
    return V::dot_bfloat16(sums, weights, x);
  }
  // Values [begin, begin + count) of a row of Type as whole vectors of lanes.
  template <typename Type>
  MINIM_INLINE void make_stored(const std::byte* row, int64_t begin, int64_t count, float* lanes) {
    const std::byte* from = row + begin * Type::kBytes;
    int64_t i = 0;
    for (; i + 2 * V::kLanes <= count; i += 2 * V::kLanes, from += 2 * V::kLanes * Type::kBytes) {
      const V::F low = Type::load(from);
      const V::F high = Type::load(from + V::kLanes * Type::kBytes);
      V::store_i(lanes + i / 2, V::to_bfloat16(low, high));
    }
    const int rest = static_cast<int>(count - i);
    if (rest == 0) return;
    const V::F low = Type::load_partial(from, rest < V::kLanes ? rest : V::kLanes);
    const V::F high = rest > V::kLanes
                          ? Type::load_partial(from + V::kLanes * Type::kBytes, rest - V::kLanes)
                          : V::zero();
    V::store_i(lanes + i / 2, V::to_bfloat16(low, high));
  }
  MINIM_INLINE LaneInput input(const MatmulSlice& slice, int64_t token, int64_t, int64_t column,
                               int64_t, float*) {
    return {bfloat16_lanes(slice, token, column), slice.input_stride / 4};
  }
};

size_t prepared_bfloat16_bytes(int64_t cols) noexcept {
  const int64_t lines = (bfloat16_offset(cols) + whole_lines(cols * 2)) / 64;
  return static_cast<size_t>((lines | 1) * 64);  // odd, so that tokens do not evict each other
}

void prepare_bfloat16(const float* x, int64_t cols, std::byte* prepared) noexcept {
  __builtin_memcpy(prepared, x, static_cast<size_t>(cols) * sizeof(float));
  Bfloat16Lanes::make_stored<F32>(reinterpret_cast<const std::byte*>(x), 0, cols,
                                  reinterpret_cast<float*>(prepared + bfloat16_offset(cols)));
}

template <typename Type>
constexpr MatmulKernel bfloat16_kernel() {
  MatmulKernel kernel = stored_kernel<Type, Bfloat16Lanes>(MatmulPrecision::kBfloat16);
  kernel.prepared_bytes = prepared_bfloat16_bytes;
  kernel.prepare = prepare_bfloat16;
  return kernel;
}

int64_t probe_bfloat16_products(int64_t steps) noexcept {
  constexpr int kChains = 12;
  V::F sums[kChains];
  MINIM_UNROLL
  for (int i = 0; i < kChains; ++i) sums[i] = V::set(static_cast<float>(i));
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
