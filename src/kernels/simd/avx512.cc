#if defined(__x86_64__)
#define MINIM_ISA avx512
#include "kernels/simd/avx512.h"

#include "kernels/kernels.inl.h"

namespace minim::kernels::avx512 {
extern const KernelTable kTable;
constinit const KernelTable kTable = make_table(InstructionSet::kAvx512);
}  // namespace minim::kernels::avx512
#endif
