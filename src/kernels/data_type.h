// The types that a stored tensor can have.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace minim {

// The numbers are GGUF's tensor type ids. kNf4 is minim's own (docs/formats/nf4.md).
enum class DataType : uint32_t {
  kF32 = 0,
  kF16 = 1,
  kQ4_0 = 2,
  kQ4_1 = 3,
  kQ5_0 = 6,
  kQ5_1 = 7,
  kQ8_0 = 8,
  kQ2_K = 10,
  kQ3_K = 11,
  kQ4_K = 12,
  kQ5_K = 13,
  kQ6_K = 14,
  kIq4Nl = 20,
  kIq4Xs = 23,
  kI8 = 24,
  kI16 = 25,
  kI32 = 26,
  kI64 = 27,
  kF64 = 28,
  kBf16 = 30,
  kTq1_0 = 34,
  kTq2_0 = 35,
  kMxfp4 = 39,
  kNf4 = 0x4d4e0001,
};

struct DataTypeInfo {
  DataType type;
  const char* name;  // "q4_0": as the command line takes it
  int block_values;  // values stored together; a row is a whole number of blocks
  int block_bytes;
  bool is_weight;  // can be dequantized to floats and multiplied with
};

// Every type above, in the order of their ids.
std::span<const DataTypeInfo> data_types();

// Nothing for an id that minim does not know.
const DataTypeInfo* find_data_type(uint32_t id);
const DataTypeInfo* find_data_type(std::string_view name);
const DataTypeInfo& data_type_info(DataType type);

// The bytes of `values` values, or nothing where they are no whole number of blocks or overflow.
std::optional<uint64_t> data_type_bytes(DataType type, uint64_t values);

}  // namespace minim
