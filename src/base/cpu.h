// What this processor can do, and which instruction set the kernels use.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace minim {

// Ordered: a later one of the same processor family includes the earlier ones.
enum class InstructionSet {
  kScalar,
  kAvx2,
  kAvxVnni,
  kAvx512,
  kAvx512Vnni,
  kAvx512Bf16,
  kAmx,
  kNeon,
  kNeonDotprod,
  kNeonI8mm,
  kNeonBf16
};

// The name that MINIM_CPU takes: "scalar", "avx2", "avx_vnni", "avx512", "avx512_vnni", ...
const char* instruction_set_name(InstructionSet set);
std::optional<InstructionSet> parse_instruction_set(std::string_view name);

// Whether this machine (processor and operating system) runs `set`.
bool cpu_supports(InstructionSet set);

// "Intel(R) Xeon(R) ...", or "unknown".
std::string cpu_model_name();

// The processors that this process may run on, at least 1; honours affinity and cgroup quota.
int cpu_count();

}  // namespace minim
