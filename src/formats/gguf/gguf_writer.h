// Writes GGUF version 3, streaming: metadata and the list of tensors first, then their bytes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/progress.h"
#include "formats/metadata.h"
#include "formats/model_file.h"
#include "kernels/data_type.h"

namespace minim {

// As in TensorEntry: the fastest-varying dimension first, unused dimensions 1.
struct GgufTensor {
  std::string name;  // up to 63 bytes, the most that others read
  DataType type = DataType::kF32;
  int rank = 1;
  std::array<int64_t, 4> shape = {1, 1, 1, 1};
};

// The file takes its place only with commit(); until then, and after any error, what stood there
// stays. Tensors are aligned to `general.alignment`, or 32 bytes.
class GgufWriter {
 public:
  // Writes the header. Throws kInvalidArgument for metadata or tensors that GGUF cannot hold, and
  // kIo.
  GgufWriter(const Path& target, const Metadata& metadata, std::vector<GgufTensor> tensors);

  // The next bytes of the tensors, in the order in which they were declared. A call may bring any
  // part of one tensor, but never the end of one and the start of another.
  // Throws kInvalidArgument for more bytes than the tensor at hand has left.
  void write(std::span<const std::byte> bytes);

  // Throws kInvalidArgument where bytes are missing.
  void commit();

 private:
  FileWriter writer_;
  uint64_t alignment_;
  std::vector<GgufTensor> tensors_;
  std::vector<uint64_t> bytes_;  // of each tensor
  size_t current_ = 0;
  uint64_t written_ = 0;  // of the current tensor
};

// Writes `metadata` and `tensors` as they are. `progress` counts bytes.
void save_gguf(const Path& target, const Metadata& metadata, std::span<const TensorEntry> tensors,
               const ProgressSink& progress = {});

}  // namespace minim
