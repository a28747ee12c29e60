#include "kernels/registry.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <set>
#include <string>
#include <utility>

#include "base/error.h"
#include "kernels/testing/random_data.h"

namespace minim::kernels {
namespace {

std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

TEST(Registry, BestTableIsTheLastThatTheMachineSupports) {
  const auto tables = testing::supported_tables();
  ASSERT_FALSE(tables.empty());
  EXPECT_EQ(tables.front()->set, InstructionSet::kScalar);
  EXPECT_EQ(&select_kernel_table(), tables.back());
}

TEST(Registry, ForcedTableIsTheOneSelected) {
  for (const KernelTable* table : testing::supported_tables()) {
    const char* name = instruction_set_name(table->set);
    EXPECT_EQ(&select_kernel_table(name), table);
    ::setenv("MINIM_CPU", name, 1);
    EXPECT_EQ(&select_kernel_table_from_environment(), table);
  }
  ::setenv("MINIM_CPU", "", 1);
  EXPECT_EQ(&select_kernel_table_from_environment(), &select_kernel_table());
  ::unsetenv("MINIM_CPU");
  EXPECT_EQ(&select_kernel_table_from_environment(), &select_kernel_table());
}

// The functions themselves differ from table to table: the name is not all that was switched.
TEST(Registry, TablesDifferInTheirProducts) {
  std::set<std::pair<decltype(MatmulKernel::multiply), decltype(MatmulKernel::multiply)>> products;
  for (const KernelTable* table : kernel_tables()) {
    const MatmulKernel* bfloat16 =
        find_matmul_kernel(*table, DataType::kBf16, MatmulPrecision::kBfloat16);
    const MatmulKernel* int8 = find_matmul_kernel(*table, DataType::kQ4_0, MatmulPrecision::kInt8);
    products.insert({bfloat16 != nullptr ? bfloat16->multiply : nullptr, int8->multiply});
  }
  EXPECT_EQ(products.size(), kernel_tables().size());
}

#if defined(MINIM_EMULATED)
TEST(Registry, TheEmulatorRunsEveryTable) {
  EXPECT_EQ(testing::supported_tables().size(), kernel_tables().size());
}
#endif

TEST(Registry, UnknownNameIsAnErrorThatNamesTheChoices) {
  const std::string message = message_of([] { select_kernel_table("pentium"); });
  EXPECT_NE(message.find("'pentium'"), std::string::npos) << message;
  EXPECT_NE(message.find("scalar"), std::string::npos) << message;
  ::setenv("MINIM_CPU", "quantum", 1);
  EXPECT_THROW(select_kernel_table_from_environment(), Error);
  ::unsetenv("MINIM_CPU");
}

TEST(Registry, UnsupportedSetIsAnError) {
  for (const InstructionSet set : {InstructionSet::kNeon, InstructionSet::kAvx2}) {
    if (cpu_supports(set)) continue;
    EXPECT_THROW(kernel_table(set), Error);
    EXPECT_THROW(select_kernel_table(instruction_set_name(set)), Error);
  }
}

TEST(Registry, EveryTableMultipliesEveryWeightType) {
  for (const KernelTable* table : kernel_tables()) {
    MINIM_TRACE_TABLE(*table);
    std::set<std::pair<DataType, MatmulPrecision>> seen;
    for (const MatmulKernel* kernel : matmul_kernels(*table)) {
      EXPECT_TRUE(seen.insert({kernel->type, kernel->precision}).second);
    }
    for (const DataTypeInfo& info : data_types()) {
      const bool found = seen.count({info.type, MatmulPrecision::kFloat32}) > 0;
      EXPECT_EQ(found, info.is_weight) << info.name;
      const bool found_int8 = seen.count({info.type, MatmulPrecision::kInt8}) > 0;
      EXPECT_EQ(found_int8, info.is_weight && info.block_values > 1) << info.name;
    }
  }
}

}  // namespace
}  // namespace minim::kernels
