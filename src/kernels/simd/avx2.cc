#if defined(__x86_64__)
#define MINIM_ISA avx2
#include "kernels/simd/avx2.h"

#include "kernels/kernels.inl.h"

namespace minim::kernels::avx2 {
extern const KernelTable kTable;
constinit const KernelTable kTable = make_table(InstructionSet::kAvx2);
}  // namespace minim::kernels::avx2
#endif
