// The products with 8-bit activations of one instruction set, and attention over coded caches. By
// themselves they are all that an extension for whole-number products adds to the table of the set
// that it extends.
#pragma once

#include "kernels/attention_coded.inl.h"
#include "kernels/kernel_table.h"
#include "kernels/matmul_int8.inl.h"

namespace minim::kernels::MINIM_ISA {
namespace {

template <typename Type, typename Tiles>
constexpr MatmulKernel int8_kernel() {
  constexpr int kFactor = kBias<Type> != 0 ? -kBias<Type> : 1;
  return {.type = Type::kType,
          .precision = MatmulPrecision::kInt8,
          .row_multiple = kPackRows,
          .packed_bytes = packed_bytes<Type>,
          .pack = pack_rows<Type>,
          .dequantize_row = dequantize_packed_row<Type>,
          .prepared_bytes = prepared_int8_bytes<kDotCols<Type>>,
          .prepare = prepare_int8<kDotCols<Type>, kFactor>,
          .multiply = multiply_int8<Type, Tiles>};
}

template <typename Tiles, typename... Types>
struct Int8KernelRows {
  static constexpr MatmulKernel kRows[] = {int8_kernel<Types, Tiles>()...};
  static constexpr MatmulList kList = {kRows, sizeof...(Types)};
};
template <typename Tiles>
constexpr MatmulList kInt8Matmuls =
    Int8KernelRows<Tiles, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, Iq4Nl, Iq4Xs,
                   Mxfp4, Nf4, Tq1_0, Tq2_0>::kList;

// Ten chains hide the latency of every machine so far. They are named one by one, because compilers
// keep an array that asm looks at in memory.
int64_t probe_int8_products(int64_t steps) noexcept {
  constexpr int kChains = 10;
  alignas(64) static constexpr uint8_t kBytes[4 * V::kLanes] = {1, 2, 3};
  const V::I factor = V::load_i(kBytes);
  V::I a = factor, b = factor, c = factor, d = factor, e = factor;
  V::I f = factor, g = factor, h = factor, i = factor, j = factor;
  const auto look_at_all = [&] {  // so that no two chains are taken for one
    asm volatile(""
                 : MINIM_REGISTER(a), MINIM_REGISTER(b), MINIM_REGISTER(c), MINIM_REGISTER(d),
                   MINIM_REGISTER(e));
    asm volatile(""
                 : MINIM_REGISTER(f), MINIM_REGISTER(g), MINIM_REGISTER(h), MINIM_REGISTER(i),
                   MINIM_REGISTER(j));
  };
  for (int64_t step = 0; step < steps; ++step) {
    look_at_all();
    a = V::dot(a, factor, factor);
    b = V::dot(b, factor, factor);
    c = V::dot(c, factor, factor);
    d = V::dot(d, factor, factor);
    e = V::dot(e, factor, factor);
    f = V::dot(f, factor, factor);
    g = V::dot(g, factor, factor);
    h = V::dot(h, factor, factor);
    i = V::dot(i, factor, factor);
    j = V::dot(j, factor, factor);
  }
  look_at_all();
  return steps * 2 * kChains * 4 * V::kLanes;
}

template <typename Tiles = RegisterTiles>
constexpr Int8Kernels make_int8_kernels() {
  return {.matmuls = kInt8Matmuls<Tiles>,
          .attention = attend_coded,
          .probe_products = probe_int8_products};
}

}  // namespace
}  // namespace minim::kernels::MINIM_ISA
