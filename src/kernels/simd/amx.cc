#if defined(__x86_64__)
#define MINIM_ISA amx
#include "kernels/simd/avx512.h"

#include "kernels/int8_kernels.inl.h"
#include "kernels/matmul_bfloat16_amx.inl.h"
#include "kernels/matmul_int8_amx.inl.h"

namespace minim::kernels::amx {
extern const Int8Kernels kInt8;
constinit const Int8Kernels kInt8 = make_int8_kernels<AmxTiles>();
extern const Bfloat16Kernels kBfloat16;
constinit const Bfloat16Kernels kBfloat16 = make_bfloat16_amx_kernels();
}  // namespace minim::kernels::amx
#endif
