#if defined(__x86_64__)
#define MINIM_ISA amx
#include "kernels/simd/avx512.h"

#include "kernels/bfloat16_kernels.inl.h"
#include "kernels/int8_kernels.inl.h"
#include "kernels/matmul_int8_amx.inl.h"

namespace minim::kernels::amx {
extern const Int8Kernels kInt8;
constinit const Int8Kernels kInt8 = make_int8_kernels<AmxTiles>();
extern const MatmulList kBfloat16Matmuls;
constinit const MatmulList kBfloat16Matmuls = {
    kBfloat16Kernels, sizeof(kBfloat16Kernels) / sizeof(kBfloat16Kernels[0])};
}  // namespace minim::kernels::amx
#endif
