// The table of stored tensor types.
#include "kernels/data_type.h"

#include "base/checked_math.h"
#include "base/error.h"
#include "kernels/block_types.h"

namespace minim {
namespace {

using namespace kernels;

template <typename Block>
constexpr DataTypeInfo blocks_of(DataType type, const char* name, int values) {
  return {type, name, values, sizeof(Block), true};
}

constexpr DataTypeInfo kDataTypes[] = {
    {DataType::kF32, "f32", 1, 4, true},
    {DataType::kF16, "f16", 1, 2, true},
    blocks_of<BlockQ4_0>(DataType::kQ4_0, "q4_0", kBlock32),
    blocks_of<BlockQ4_1>(DataType::kQ4_1, "q4_1", kBlock32),
    blocks_of<BlockQ5_0>(DataType::kQ5_0, "q5_0", kBlock32),
    blocks_of<BlockQ5_1>(DataType::kQ5_1, "q5_1", kBlock32),
    blocks_of<BlockQ8_0>(DataType::kQ8_0, "q8_0", kBlock32),
    blocks_of<BlockQ2_K>(DataType::kQ2_K, "q2_k", kSuperBlock),
    blocks_of<BlockQ3_K>(DataType::kQ3_K, "q3_k", kSuperBlock),
    blocks_of<BlockQ4_K>(DataType::kQ4_K, "q4_k", kSuperBlock),
    blocks_of<BlockQ5_K>(DataType::kQ5_K, "q5_k", kSuperBlock),
    blocks_of<BlockQ6_K>(DataType::kQ6_K, "q6_k", kSuperBlock),
    blocks_of<BlockIq4Nl>(DataType::kIq4Nl, "iq4_nl", kBlock32),
    blocks_of<BlockIq4Xs>(DataType::kIq4Xs, "iq4_xs", kSuperBlock),
    {DataType::kI8, "i8", 1, 1, false},
    {DataType::kI16, "i16", 1, 2, false},
    {DataType::kI32, "i32", 1, 4, false},
    {DataType::kI64, "i64", 1, 8, false},
    {DataType::kF64, "f64", 1, 8, false},
    {DataType::kBf16, "bf16", 1, 2, true},
    blocks_of<BlockTq1_0>(DataType::kTq1_0, "tq1_0", kSuperBlock),
    blocks_of<BlockTq2_0>(DataType::kTq2_0, "tq2_0", kSuperBlock),
    blocks_of<BlockMxfp4>(DataType::kMxfp4, "mxfp4", kBlock32),
    blocks_of<BlockNf4>(DataType::kNf4, "nf4", kNf4BlockValues),
};

constexpr char to_lower_ascii(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (to_lower_ascii(a[i]) != to_lower_ascii(b[i])) return false;
  }
  return true;
}

}  // namespace

std::span<const DataTypeInfo> data_types() { return kDataTypes; }

const DataTypeInfo* find_data_type(uint32_t id) {
  for (const DataTypeInfo& info : kDataTypes) {
    if (static_cast<uint32_t>(info.type) == id) return &info;
  }
  return nullptr;
}

const DataTypeInfo* find_data_type(std::string_view name) {
  for (const DataTypeInfo& info : kDataTypes) {
    if (equal_ignoring_case(info.name, name)) return &info;
  }
  return nullptr;
}

const DataTypeInfo& data_type_info(DataType type) {
  const DataTypeInfo* info = find_data_type(static_cast<uint32_t>(type));
  MINIM_CHECK(info != nullptr);
  return *info;
}

std::optional<uint64_t> data_type_bytes(DataType type, uint64_t values) {
  const DataTypeInfo& info = data_type_info(type);
  const auto block_values = static_cast<uint64_t>(info.block_values);
  if (values % block_values != 0) return std::nullopt;
  return checked_multiply<uint64_t>(values / block_values, static_cast<uint64_t>(info.block_bytes));
}

}  // namespace minim
