// Products of packed weights with activations rounded to 8 bits:
//   sum over chunks of 256 columns: scale of x * sum over groups of 16 or 32:
//     scale * (codes . codes of x) + offset * sum(codes of x)
// The products within a group are whole numbers and exact; so each output is one chain over the
// groups and chunks, whatever the rows, tokens and slices around it.
#pragma once

#include "kernels/matmul_int8_few.inl.h"
#include "kernels/matmul_int8_many.inl.h"

namespace minim::kernels::MINIM_ISA {
namespace {

template <typename Type, typename Tiles>
void multiply_int8(const MatmulSlice& slice) noexcept {
  if (slice.tokens <= Tiles::kStreamTokensMax) return stream_weights_int8<Type>(slice);
  Tiles::template begin<Type>();
  multiply_wide<Type, Tiles>(slice);
  Tiles::end();
}

}  // namespace
}  // namespace minim::kernels::MINIM_ISA
