#if defined(__aarch64__)
#define MINIM_ISA neon_dotprod
#include "kernels/simd/neon.h"

#include "kernels/int8_kernels.inl.h"

namespace minim::kernels::neon_dotprod {
extern const Int8Kernels kInt8;
constinit const Int8Kernels kInt8 = make_int8_kernels();
}  // namespace minim::kernels::neon_dotprod
#endif
