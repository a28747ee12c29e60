// Which kernels this program has, and which of them this machine runs.
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "kernels/kernel_table.h"

namespace minim::kernels {

// Every table compiled in, the plainest first; the machine need not support them.
std::span<const KernelTable* const> kernel_tables();

// The table of one instruction set. Throws kUnsupported where it is not compiled in or the machine
// cannot run it.
const KernelTable& kernel_table(InstructionSet set);

// The best table that this machine supports, or the one called `forced`. Throws kInvalidArgument,
// naming the possible ones, for a name that is unknown or not supported here.
const KernelTable& select_kernel_table(std::optional<std::string_view> forced = std::nullopt);

// The same, forced by the environment variable MINIM_CPU where it is set and not empty.
const KernelTable& select_kernel_table_from_environment();

// Every product of a table.
std::vector<const MatmulKernel*> matmul_kernels(const KernelTable& table);

// The row for a type of weight, or null.
const MatmulKernel* find_matmul_kernel(const KernelTable& table, DataType type,
                                       MatmulPrecision precision);

}  // namespace minim::kernels
