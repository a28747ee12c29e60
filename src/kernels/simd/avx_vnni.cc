#if defined(__x86_64__)
#define MINIM_ISA avx_vnni
#include "kernels/simd/avx2.h"

#include "kernels/int8_kernels.inl.h"

namespace minim::kernels::avx_vnni {
extern const MatmulList kInt8Matmuls;
constinit const MatmulList kInt8Matmuls = make_int8_list();
}  // namespace minim::kernels::avx_vnni
#endif
