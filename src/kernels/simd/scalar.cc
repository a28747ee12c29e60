#define MINIM_ISA scalar
#define MINIM_SCALAR
#include "kernels/simd/scalar.h"

#include "kernels/kernels.inl.h"

namespace minim::kernels::scalar {
extern const KernelTable kTable;
constinit const KernelTable kTable = make_table(InstructionSet::kScalar);
}  // namespace minim::kernels::scalar
