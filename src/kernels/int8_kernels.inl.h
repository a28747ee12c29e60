// The products with 8-bit activations of one instruction set, and attention over coded caches. By
// themselves they are all that an extension for whole-number products adds to the table of the set
// that it extends.
#pragma once

#include "kernels/attention_coded.inl.h"
#include "kernels/kernel_table.h"
#include "kernels/matmul_int8.inl.h"
#include "kernels/pack_weights.inl.h"

namespace minim::kernels::MINIM_ISA {
namespace {

template <typename Type, typename Tiles>
constexpr MatmulKernel int8_kernel() {
  constexpr int kFactor = kBias<Type> != 0 ? -kBias<Type> : 1;
  return {.type = Type::kType,
          .precision = MatmulPrecision::kInt8,
          .row_multiple = kPackRows,
          .two_orders = false,
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

template <typename Tiles = RegisterTiles>
constexpr Int8Kernels make_int8_kernels() {
  return {.matmuls = kInt8Matmuls<Tiles>,
          .attention = attend_coded,
          .probe_products = Tiles::probe_products};
}

}  // namespace
}  // namespace minim::kernels::MINIM_ISA
