// Writes safetensors files, streaming: the list of tensors first, then their bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "formats/safetensors/safetensors_header.h"

namespace minim {

struct SafetensorsDeclaration {
  std::string name;
  SafetensorsType type = SafetensorsType::kF32;
  std::vector<int64_t> shape;  // slowest-varying first; empty for a scalar
};

// The data starts at a multiple of 8 bytes; declare wide types first to keep every tensor aligned.
// The file takes its place only with commit().
class SafetensorsWriter {
 public:
  // Writes the header. Throws kInvalidArgument for names that stand twice and shapes that are
  // impossible, kLimit for more tensors than a header holds, and kIo.
  SafetensorsWriter(const Path& target, const std::vector<SafetensorsDeclaration>& tensors,
                    const std::map<std::string, std::string>& metadata = {});

  // The next bytes of the data, in the order of declaration, in parts of any size.
  // Throws kInvalidArgument for more than were declared.
  void write(std::span<const std::byte> bytes);
  // Throws kInvalidArgument where bytes are missing.
  void commit();

 private:
  FileWriter writer_;
  uint64_t left_ = 0;
};

}  // namespace minim
