#if defined(__aarch64__)
#define MINIM_ISA neon_bf16
#include "kernels/simd/neon.h"

#include "kernels/bfloat16_kernels.inl.h"

namespace minim::kernels::neon_bf16 {
extern const Bfloat16Kernels kBfloat16;
constinit const Bfloat16Kernels kBfloat16 = make_bfloat16_kernels();
}  // namespace minim::kernels::neon_bf16
#endif
