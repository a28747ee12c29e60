#if defined(__aarch64__)
#define MINIM_ISA neon
#include "kernels/simd/neon.h"

#include "kernels/kernels.inl.h"

namespace minim::kernels::neon {
extern const KernelTable kTable;
constinit const KernelTable kTable = make_table(InstructionSet::kNeon);
}  // namespace minim::kernels::neon
#endif
