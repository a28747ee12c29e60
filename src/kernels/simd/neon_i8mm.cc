#if defined(__aarch64__)
#define MINIM_ISA neon_i8mm
#include "kernels/simd/neon.h"

#include "kernels/int8_kernels.inl.h"
#include "kernels/matmul_int8_pairs.inl.h"

namespace minim::kernels::neon_i8mm {
extern const Int8Kernels kInt8;
constinit const Int8Kernels kInt8 = make_int8_kernels<PairTiles>();
}  // namespace minim::kernels::neon_i8mm
#endif
