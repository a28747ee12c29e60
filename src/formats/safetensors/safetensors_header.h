// The JSON header of a safetensors file, parsed as a stream: memory follows the tensors that it
// lists, not the JSON around them.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/byte_reader.h"
#include "kernels/data_type.h"

namespace minim {

inline constexpr uint64_t kSafetensorsHeaderBytesMax = 100'000'000;
inline constexpr int kSafetensorsRankMax = 8;

enum class SafetensorsType : uint8_t {
  kBool,
  kU8,
  kI8,
  kU16,
  kI16,
  kU32,
  kI32,
  kU64,
  kI64,
  kF16,
  kBf16,
  kF32,
  kF64,
};
const char* safetensors_type_name(SafetensorsType type);  // "BF16"
uint64_t safetensors_type_bytes(SafetensorsType type);
// Nothing for unsigned integers and bools, which GGUF cannot hold.
std::optional<DataType> to_data_type(SafetensorsType type);
std::optional<SafetensorsType> to_safetensors_type(DataType type);

struct SafetensorsTensor {
  std::string name;
  SafetensorsType type = SafetensorsType::kF32;
  int rank = 0;                                         // 0 is a scalar
  std::array<int64_t, kSafetensorsRankMax> shape = {};  // slowest-varying first: [rows, cols]
  uint64_t begin = 0;                                   // bytes from the start of the data
  uint64_t end = 0;

  int64_t value_count() const;
};

struct SafetensorsHeader {
  std::map<std::string, std::string> metadata;  // "__metadata__"
  std::vector<SafetensorsTensor> tensors;       // by offset
};

// Parses `json` and checks it against the `data_bytes` that follow it: the tensors must fill them
// from the first byte to the last, without holes or overlaps. Their order in the header is free.
// Throws kFormat, kUnsupported for types that are not listed above, kLimit.
SafetensorsHeader parse_safetensors_header(std::string_view json, uint64_t data_bytes,
                                           MemoryBudget& budget);

}  // namespace minim
