#include "base/cpu.h"

#include <sched.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <utility>

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#elif defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace minim {
namespace {

constexpr std::array<std::pair<InstructionSet, const char*>, 11> kNames = {{
    {InstructionSet::kScalar, "scalar"},
    {InstructionSet::kAvx2, "avx2"},
    {InstructionSet::kAvxVnni, "avx_vnni"},
    {InstructionSet::kAvx512, "avx512"},
    {InstructionSet::kAvx512Vnni, "avx512_vnni"},
    {InstructionSet::kAvx512Bf16, "avx512_bf16"},
    {InstructionSet::kAmx, "amx"},
    {InstructionSet::kNeon, "neon"},
    {InstructionSet::kNeonDotprod, "neon_dotprod"},
    {InstructionSet::kNeonI8mm, "neon_i8mm"},
    {InstructionSet::kNeonBf16, "neon_bf16"},
}};

#if defined(__x86_64__)
// These two are asked of the processor itself, because clang 14 does not know their names. Whether
// the system saves the registers follows from __builtin_cpu_supports("avx2").
bool has_f16c() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_F16C) != 0;
}

bool has_avx_vnni() {
  constexpr unsigned kAvxVnniBit = 1u << 4;
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) != 0 && (eax & kAvxVnniBit) != 0;
}

bool has_avx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
}

bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

bool has_avx512_bf16() {
  return has_avx512() && __builtin_cpu_supports("avx512vnni") &&
         __builtin_cpu_supports("avx512bf16");
}

// Linux keeps the tile registers from processes that have not asked for them; asking again is
// harmless (Documentation/arch/x86/xstate.rst).
bool may_use_tiles() {
#if defined(SYS_arch_prctl)
  constexpr long kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM, which old headers lack
  constexpr long kTileData = 18;
  return ::syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

bool has_amx() {
  constexpr unsigned kBf16Bit = 1u << 22, kTileBit = 1u << 24, kInt8Bit = 1u << 25;
  constexpr unsigned kAll = kBf16Bit | kTileBit | kInt8Bit;
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) != 0 && (edx & kAll) == kAll &&
         has_avx512_bf16() && may_use_tiles();
}
#elif defined(__aarch64__)
bool has_dotprod() { return (::getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0; }
bool has_i8mm() { return has_dotprod() && (::getauxval(AT_HWCAP2) & HWCAP2_I8MM) != 0; }
bool has_neon_bf16() { return (::getauxval(AT_HWCAP2) & HWCAP2_BF16) != 0; }
#endif

// The cgroup's CPU quota in whole processors, or nothing where there is none.
std::optional<int> cgroup_quota() {
  std::ifstream file("/sys/fs/cgroup/cpu.max");
  double quota = 0;
  double period = 0;
  if (!(file >> quota >> period) || quota <= 0 || period <= 0) return std::nullopt;
  return std::max(1, static_cast<int>(quota / period + 0.5));
}

}  // namespace

const char* instruction_set_name(InstructionSet set) {
  for (const auto& [value, name] : kNames) {
    if (value == set) return name;
  }
  return "unknown";
}

std::optional<InstructionSet> parse_instruction_set(std::string_view name) {
  for (const auto& [value, known] : kNames) {
    if (name == known) return value;
  }
  return std::nullopt;
}

bool cpu_supports(InstructionSet set) {
#if defined(__x86_64__)
  switch (set) {
    case InstructionSet::kScalar: return true;
    case InstructionSet::kAvx2: return has_avx2();
    case InstructionSet::kAvxVnni: return has_avx2() && has_avx_vnni();
    case InstructionSet::kAvx512: return has_avx512();
    case InstructionSet::kAvx512Vnni: return has_avx512() && __builtin_cpu_supports("avx512vnni");
    case InstructionSet::kAvx512Bf16: return has_avx512_bf16();
    case InstructionSet::kAmx: return has_amx();
    case InstructionSet::kNeon:
    case InstructionSet::kNeonDotprod:
    case InstructionSet::kNeonI8mm:
    case InstructionSet::kNeonBf16: return false;
  }
  return false;
#elif defined(__aarch64__)
  switch (set) {
    case InstructionSet::kScalar:
    case InstructionSet::kNeon: return true;
    case InstructionSet::kNeonDotprod: return has_dotprod();
    case InstructionSet::kNeonI8mm: return has_i8mm();
    case InstructionSet::kNeonBf16: return has_i8mm() && has_neon_bf16();
    default: return false;
  }
#else
  return set == InstructionSet::kScalar;
#endif
}

std::string cpu_model_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("model name", 0) != 0) continue;
    const size_t colon = line.find(": ");
    if (colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown";
}

int cpu_count() {
  cpu_set_t set;
  CPU_ZERO(&set);
  int count = 1;
  if (::sched_getaffinity(0, sizeof(set), &set) == 0) count = std::max(1, CPU_COUNT(&set));
  return std::min(count, cgroup_quota().value_or(count));
}

}  // namespace minim
