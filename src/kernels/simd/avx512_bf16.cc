#if defined(__x86_64__)
#define MINIM_ISA avx512_bf16
#include "kernels/simd/avx512.h"

#include "kernels/bfloat16_kernels.inl.h"

namespace minim::kernels::avx512_bf16 {
extern const MatmulList kMatmuls;
constinit const MatmulList kMatmuls = {kBfloat16Kernels,
                                       sizeof(kBfloat16Kernels) / sizeof(kBfloat16Kernels[0])};
}  // namespace minim::kernels::avx512_bf16
#endif
