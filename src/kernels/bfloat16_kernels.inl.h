// The products by way of bfloat16 of an instruction set that has them.
#pragma once

#include "kernels/bfloat16_lanes.inl.h"

namespace minim::kernels::MINIM_ISA {
namespace {

constexpr MatmulKernel kBfloat16Kernels[] = {bfloat16_kernel<F16>(), bfloat16_kernel<Bf16>()};

constexpr Bfloat16Kernels make_bfloat16_kernels() {
  return {.matmuls = {kBfloat16Kernels, sizeof(kBfloat16Kernels) / sizeof(kBfloat16Kernels[0])},
          .probe_products = probe_bfloat16_products};
}

}  // namespace
}  // namespace minim::kernels::MINIM_ISA
