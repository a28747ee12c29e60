// The table of tensor types: sizes, names and the arithmetic on them.
#include "kernels/data_type.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace minim {
namespace {

TEST(DataType, TableIsOrderedByIdAndFindsItself) {
  std::set<std::string> names;
  const DataTypeInfo* previous = nullptr;
  for (const DataTypeInfo& info : data_types()) {
    const auto id = static_cast<uint32_t>(info.type);
    if (previous != nullptr) {
      EXPECT_LT(static_cast<uint32_t>(previous->type), id);
    }
    previous = &info;
    EXPECT_EQ(find_data_type(id), &info);
    EXPECT_EQ(find_data_type(std::string_view(info.name)), &info);
    EXPECT_EQ(&data_type_info(info.type), &info);
    EXPECT_TRUE(names.insert(info.name).second) << info.name;
    EXPECT_GT(info.block_values, 0);
    EXPECT_GT(info.block_bytes, 0);
  }
  EXPECT_EQ(names.size(), 24u);
}

TEST(DataType, IdsAndBlocksAreThoseOfTheFormat) {
  struct Row {
    uint32_t id;
    const char* name;
    int values, bytes;
  };
  for (const Row& row :
       {Row{0, "f32", 1, 4},       Row{1, "f16", 1, 2},         Row{2, "q4_0", 32, 18},
        Row{3, "q4_1", 32, 20},    Row{6, "q5_0", 32, 22},      Row{7, "q5_1", 32, 24},
        Row{8, "q8_0", 32, 34},    Row{10, "q2_k", 256, 84},    Row{11, "q3_k", 256, 110},
        Row{12, "q4_k", 256, 144}, Row{13, "q5_k", 256, 176},   Row{14, "q6_k", 256, 210},
        Row{20, "iq4_nl", 32, 18}, Row{23, "iq4_xs", 256, 136}, Row{24, "i8", 1, 1},
        Row{25, "i16", 1, 2},      Row{26, "i32", 1, 4},        Row{27, "i64", 1, 8},
        Row{28, "f64", 1, 8},      Row{30, "bf16", 1, 2},       Row{34, "tq1_0", 256, 54},
        Row{35, "tq2_0", 256, 66}, Row{39, "mxfp4", 32, 17},    Row{0x4d4e0001, "nf4", 64, 34}}) {
    const DataTypeInfo* info = find_data_type(row.id);
    ASSERT_NE(info, nullptr) << row.name;
    EXPECT_STREQ(info->name, row.name);
    EXPECT_EQ(info->block_values, row.values) << row.name;
    EXPECT_EQ(info->block_bytes, row.bytes) << row.name;
    const bool other = row.name[0] == 'i' && row.name[1] != 'q';
    EXPECT_EQ(info->is_weight, !other && std::string(row.name) != "f64") << row.name;
  }
}

TEST(DataType, NamesIgnoreCase) {
  EXPECT_EQ(find_data_type("Q4_K")->type, DataType::kQ4_K);
  EXPECT_EQ(find_data_type("Iq4_Nl")->type, DataType::kIq4Nl);
  EXPECT_EQ(find_data_type("NF4")->type, DataType::kNf4);
}

TEST(DataType, UnknownIdsAndNamesAreNothing) {
  for (const uint32_t id : {4u, 5u, 9u, 15u, 16u, 19u, 31u, 40u, 0x4d4e0000u, UINT32_MAX}) {
    EXPECT_EQ(find_data_type(id), nullptr) << id;
  }
  for (const char* name : {"", "q4", "q4_0 ", "q4-0", "Q4_K_M", "f32\n"}) {
    EXPECT_EQ(find_data_type(name), nullptr) << name;
  }
  EXPECT_EQ(find_data_type(std::string_view("f32\0", 4)), nullptr);
}

TEST(DataType, BytesNeedWholeBlocks) {
  EXPECT_EQ(data_type_bytes(DataType::kQ4_0, 0), 0u);
  EXPECT_EQ(data_type_bytes(DataType::kQ4_0, 32), 18u);
  EXPECT_EQ(data_type_bytes(DataType::kQ4_0, 31), std::nullopt);
  EXPECT_EQ(data_type_bytes(DataType::kQ6_K, 512), 420u);
  EXPECT_EQ(data_type_bytes(DataType::kQ6_K, 128), std::nullopt);
  EXPECT_EQ(data_type_bytes(DataType::kF32, 3), 12u);
}

TEST(DataType, BytesThatOverflowAreNothing) {
  EXPECT_EQ(data_type_bytes(DataType::kF32, UINT64_MAX / 4), UINT64_MAX / 4 * 4);
  EXPECT_EQ(data_type_bytes(DataType::kF32, UINT64_MAX / 4 + 1), std::nullopt);
  EXPECT_EQ(data_type_bytes(DataType::kF64, uint64_t{1} << 61), std::nullopt);
  EXPECT_EQ(data_type_bytes(DataType::kI8, UINT64_MAX), UINT64_MAX);
  // Compressed types cannot overflow, since a block has fewer bytes than values; Q8_0 can.
  EXPECT_EQ(data_type_bytes(DataType::kQ8_0, UINT64_MAX - 31), std::nullopt);
  EXPECT_NE(data_type_bytes(DataType::kQ4_K, UINT64_MAX - 255), std::nullopt);
}

}  // namespace
}  // namespace minim
