// The table of one instruction set. A file of simd/ names the namespace with MINIM_ISA, includes
// its vector V and then this.
#pragma once

#include "kernels/attention.inl.h"
#include "kernels/gemm.inl.h"
#include "kernels/int8_kernels.inl.h"
#include "kernels/kernel_table.h"
#include "kernels/matmul_float.inl.h"
#include "kernels/probes.inl.h"
#include "kernels/rows.inl.h"
#include "kernels/training.inl.h"

namespace minim::kernels::MINIM_ISA {
namespace {

template <typename Type>
constexpr MatmulKernel float_kernel() {
  return stored_kernel<Type, FloatLanes>(MatmulPrecision::kFloat32);
}

constexpr MatmulKernel kFloatKernels[] = {
    float_kernel<F32>(),  float_kernel<F16>(),   float_kernel<Bf16>(),  float_kernel<Q8_0>(),
    float_kernel<Q4_0>(), float_kernel<Q4_1>(),  float_kernel<Q5_0>(),  float_kernel<Q5_1>(),
    float_kernel<Q2_K>(), float_kernel<Q3_K>(),  float_kernel<Q4_K>(),  float_kernel<Q5_K>(),
    float_kernel<Q6_K>(), float_kernel<Iq4Nl>(), float_kernel<Iq4Xs>(), float_kernel<Mxfp4>(),
    float_kernel<Nf4>(),  float_kernel<Tq1_0>(), float_kernel<Tq2_0>(),
};

constexpr KernelTable make_table(InstructionSet set) {
  return {.set = set,
          .float_matmuls = {kFloatKernels, sizeof(kFloatKernels) / sizeof(kFloatKernels[0])},
          .bfloat16 = {},
          .int8 = make_int8_kernels(),
          .gemm = make_gemm_kernel(),
          .training = make_training_kernels(),
          .add = add_row,
          .scale = scale_row,
          .soft_cap = soft_cap_row,
          .activate = activate_row,
          .gated_activate = gated_activate_row,
          .exponential = exponential_row,
          .maximum = maximum_row,
          .exponential_sum = exponential_sum_row,
          .softmax = softmax_row,
          .rms_norm = rms_norm_row,
          .layer_norm = layer_norm_row,
          .rope = rope_heads,
          .store_half = store_half_row,
          .store_in_cache = store_in_cache,
          .attention_rows = kAttentionRows,
          .attention_scratch_values = attention_scratch_values,
          .attention = attend,
          .merge_attention = merge_partial_attention,
          .probe_products = probe_products,
          .probe_reads = probe_reads};
}

}  // namespace
}  // namespace minim::kernels::MINIM_ISA
