// The products by way of bfloat16 of an instruction set that has them.
#pragma once

#include "kernels/bfloat16_lanes.inl.h"
#include "kernels/gemm_bfloat16.inl.h"

namespace minim::kernels::MINIM_ISA {
namespace {

constexpr MatmulKernel kBfloat16Kernels[] = {bfloat16_kernel<F16>(), bfloat16_kernel<Bf16>()};

constexpr GemmKernel kBfloat16Gemm = make_bfloat16_gemm_kernel();

constexpr Bfloat16Kernels make_bfloat16_kernels() {
  return {.matmuls = {kBfloat16Kernels, sizeof(kBfloat16Kernels) / sizeof(kBfloat16Kernels[0])},
          .gemm = &kBfloat16Gemm,
          .probe_products = probe_bfloat16_products};
}

}  // namespace
}  // namespace minim::kernels::MINIM_ISA
