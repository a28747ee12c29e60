#if defined(__x86_64__)
#define MINIM_ISA avx512_vnni
#include "kernels/simd/avx512.h"

#include "kernels/int8_kernels.inl.h"

namespace minim::kernels::avx512_vnni {
extern const Int8Kernels kInt8;
constinit const Int8Kernels kInt8 = make_int8_kernels();
}  // namespace minim::kernels::avx512_vnni
#endif
