#include "base/cpu.h"

#include <gtest/gtest.h>

#include <thread>

namespace minim {
namespace {

constexpr InstructionSet kAll[] = {
    InstructionSet::kScalar,   InstructionSet::kAvx2,       InstructionSet::kAvxVnni,
    InstructionSet::kAvx512,   InstructionSet::kAvx512Vnni, InstructionSet::kAvx512Bf16,
    InstructionSet::kAmx,      InstructionSet::kNeon,       InstructionSet::kNeonDotprod,
    InstructionSet::kNeonI8mm, InstructionSet::kNeonBf16};

TEST(Cpu, NamesParseBack) {
  for (const InstructionSet set : kAll) {
    EXPECT_EQ(parse_instruction_set(instruction_set_name(set)), set);
  }
  for (const char* name : {"", "AVX2", "avx", "avx2 ", "unknown"}) {
    EXPECT_EQ(parse_instruction_set(name), std::nullopt) << name;
  }
}

TEST(Cpu, ScalarAlwaysRuns) { EXPECT_TRUE(cpu_supports(InstructionSet::kScalar)); }

TEST(Cpu, LargerSetsIncludeSmallerOnes) {
  if (cpu_supports(InstructionSet::kAvx512Bf16)) {
    EXPECT_TRUE(cpu_supports(InstructionSet::kAvx512Vnni));
  }
  if (cpu_supports(InstructionSet::kAvx512Vnni)) {
    EXPECT_TRUE(cpu_supports(InstructionSet::kAvx512));
  }
  if (cpu_supports(InstructionSet::kAvx512)) {
    EXPECT_TRUE(cpu_supports(InstructionSet::kAvx2));
  }
  if (cpu_supports(InstructionSet::kNeonBf16)) {
    EXPECT_TRUE(cpu_supports(InstructionSet::kNeonI8mm));
  }
  if (cpu_supports(InstructionSet::kNeonI8mm)) {
    EXPECT_TRUE(cpu_supports(InstructionSet::kNeonDotprod));
  }
  if (cpu_supports(InstructionSet::kNeonDotprod)) {
    EXPECT_TRUE(cpu_supports(InstructionSet::kNeon));
  }
  EXPECT_FALSE(cpu_supports(InstructionSet::kAvx2) && cpu_supports(InstructionSet::kNeon));
}

TEST(Cpu, CountsAtLeastOneAndAtMostTheMachine) {
  EXPECT_GE(cpu_count(), 1);
  EXPECT_LE(cpu_count(), static_cast<int>(std::thread::hardware_concurrency()));
  EXPECT_FALSE(cpu_model_name().empty());
}

}  // namespace
}  // namespace minim
