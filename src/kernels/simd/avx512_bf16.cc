#if defined(__x86_64__)
#define MINIM_ISA avx512_bf16
#include "kernels/simd/avx512.h"

#include "kernels/bfloat16_kernels.inl.h"

namespace minim::kernels::avx512_bf16 {
extern const Bfloat16Kernels kBfloat16;
constinit const Bfloat16Kernels kBfloat16 = make_bfloat16_kernels();
}  // namespace minim::kernels::avx512_bf16
#endif
