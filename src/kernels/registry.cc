#include "kernels/registry.h"

#include <fmt/core.h>

#include <cstdlib>
#include <string>

#include "base/error.h"

namespace minim::kernels {

namespace scalar {
extern const KernelTable kTable;
}
#if defined(__x86_64__)
namespace avx2 {
extern const KernelTable kTable;
}
namespace avx_vnni {
extern const Int8Kernels kInt8;
}
namespace avx512 {
extern const KernelTable kTable;
}
namespace avx512_vnni {
extern const Int8Kernels kInt8;
}
namespace avx512_bf16 {
extern const Bfloat16Kernels kBfloat16;
}
namespace amx {
extern const Int8Kernels kInt8;
extern const Bfloat16Kernels kBfloat16;
}  // namespace amx
#elif defined(__aarch64__)
namespace neon {
extern const KernelTable kTable;
}
namespace neon_dotprod {
extern const Int8Kernels kInt8;
}
namespace neon_i8mm {
extern const Int8Kernels kInt8;
}
namespace neon_bf16 {
extern const Bfloat16Kernels kBfloat16;
}
#endif

namespace {

#if defined(__x86_64__) || defined(__aarch64__)
// What an extension adds to `base`.
KernelTable extend(KernelTable base, InstructionSet set, const Int8Kernels& int8) {
  base.set = set;
  base.int8 = int8;
  return base;
}
#endif

#if defined(__x86_64__)
std::span<const KernelTable* const> all_tables() {
  static const KernelTable kAvxVnni =
      extend(avx2::kTable, InstructionSet::kAvxVnni, avx_vnni::kInt8);
  static const KernelTable kAvx512Vnni =
      extend(avx512::kTable, InstructionSet::kAvx512Vnni, avx512_vnni::kInt8);
  static const KernelTable kAvx512Bf16 = [] {
    KernelTable table = extend(avx512::kTable, InstructionSet::kAvx512Bf16, avx512_vnni::kInt8);
    table.bfloat16 = avx512_bf16::kBfloat16;
    return table;
  }();
  static const KernelTable kAmx = [] {
    KernelTable table = extend(avx512::kTable, InstructionSet::kAmx, amx::kInt8);
    table.bfloat16 = amx::kBfloat16;
    return table;
  }();
  static const KernelTable* const kTables[] = {
      &scalar::kTable, &avx2::kTable, &kAvxVnni, &avx512::kTable,
      &kAvx512Vnni,    &kAvx512Bf16,  &kAmx};
  return kTables;
}
#elif defined(__aarch64__)
std::span<const KernelTable* const> all_tables() {
  static const KernelTable kNeonDotprod =
      extend(neon::kTable, InstructionSet::kNeonDotprod, neon_dotprod::kInt8);
  static const KernelTable kNeonI8mm =
      extend(neon::kTable, InstructionSet::kNeonI8mm, neon_i8mm::kInt8);
  static const KernelTable kNeonBf16 = [] {
    KernelTable table = extend(neon::kTable, InstructionSet::kNeonBf16, neon_i8mm::kInt8);
    table.bfloat16 = neon_bf16::kBfloat16;
    return table;
  }();
  static const KernelTable* const kTables[] = {&scalar::kTable, &neon::kTable, &kNeonDotprod,
                                               &kNeonI8mm, &kNeonBf16};
  return kTables;
}
#else
std::span<const KernelTable* const> all_tables() {
  static const KernelTable* const kTables[] = {&scalar::kTable};
  return kTables;
}
#endif

const KernelTable* find_table(InstructionSet set) {
  for (const KernelTable* table : all_tables()) {
    if (table->set == set) return table;
  }
  return nullptr;
}

std::string supported_names() {
  std::string names;
  for (const KernelTable* table : all_tables()) {
    if (!cpu_supports(table->set)) continue;
    if (!names.empty()) names += ", ";
    names += instruction_set_name(table->set);
  }
  return names;
}

}  // namespace

std::span<const KernelTable* const> kernel_tables() { return all_tables(); }

const KernelTable& kernel_table(InstructionSet set) {
  const KernelTable* table = find_table(set);
  if (table == nullptr || !cpu_supports(set)) {
    throw Error(
        ErrorCode::kUnsupported,
        fmt::format("kernels: this {} instruction set '{}'; it has {}",
                    table == nullptr ? "program has no kernels for the" : "machine lacks the",
                    instruction_set_name(set), supported_names()));
  }
  return *table;
}

const KernelTable& select_kernel_table(std::optional<std::string_view> forced) {
  if (!forced) {
    const KernelTable* best = nullptr;
    for (const KernelTable* table : all_tables()) {
      if (cpu_supports(table->set)) best = table;
    }
    return *best;  // scalar is always there
  }
  const auto set = parse_instruction_set(*forced);
  const KernelTable* table = set ? find_table(*set) : nullptr;
  if (table == nullptr || !cpu_supports(table->set)) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("kernels: no instruction set '{}' here; choose one of {}", *forced,
                            supported_names()));
  }
  return *table;
}

const KernelTable& select_kernel_table_from_environment() {
  const char* name = std::getenv("MINIM_CPU");
  if (name == nullptr || *name == '\0') return select_kernel_table();
  return select_kernel_table(name);
}

const MatmulKernel* find_matmul_kernel(const KernelTable& table, DataType type,
                                       MatmulPrecision precision) {
  for (const MatmulKernel* kernel : matmul_kernels(table)) {
    if (kernel->type == type && kernel->precision == precision) return kernel;
  }
  return nullptr;
}

std::vector<const MatmulKernel*> matmul_kernels(const KernelTable& table) {
  std::vector<const MatmulKernel*> kernels;
  for (const MatmulList& list : {table.float_matmuls, table.bfloat16.matmuls, table.int8.matmuls}) {
    for (int i = 0; i < list.count; ++i) kernels.push_back(list.kernels + i);
  }
  return kernels;
}

}  // namespace minim::kernels
