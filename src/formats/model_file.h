// A model on disk, whatever its format: metadata and tensors under GGUF's names, read on demand.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/file.h"
#include "formats/metadata.h"
#include "kernels/data_type.h"

namespace minim {

// The bytes of a tensor and what keeps them alive.
struct TensorBytes {
  std::span<const std::byte> bytes;
  std::shared_ptr<const void> owner;
  const MappedFile* mapping = nullptr;  // that they are part of, or null
};

struct TensorEntry {
  std::string name;  // GGUF's: "blk.0.attn_q.weight"
  DataType type = DataType::kF32;
  int rank = 1;  // 1 to 4
  // Fastest-varying first, as GGUF stores it: a matrix of R rows and C columns is {C, R, 1, 1}.
  std::array<int64_t, 4> shape = {1, 1, 1, 1};
  // Checked against the file when it was opened. A mapped tensor is returned in place; one that
  // another format stores differently (transposed, permuted, split by expert) is built on demand.
  std::function<TensorBytes()> load;

  int64_t value_count() const { return shape[0] * shape[1] * shape[2] * shape[3]; }
  uint64_t byte_count() const {
    return *data_type_bytes(type, static_cast<uint64_t>(value_count()));
  }
};

class ModelFile {
 public:
  ModelFile(Path path, std::string format, Metadata metadata, std::vector<TensorEntry> tensors);

  const Path& path() const { return path_; }
  const std::string& format() const { return format_; }  // "gguf", "safetensors", "llama2c"
  const Metadata& metadata() const { return metadata_; }
  const std::vector<TensorEntry>& tensors() const { return tensors_; }

  const TensorEntry* find(std::string_view name) const;
  // Throws kFormat where the tensor is absent.
  const TensorEntry& require(std::string_view name) const;

 private:
  Path path_;
  std::string format_;
  Metadata metadata_;
  std::vector<TensorEntry> tensors_;
  std::unordered_map<std::string, size_t> index_;
};

struct OpenModelOptions {
  Path tokenizer;  // for llama2.c checkpoints; empty: looked for beside the model
};

// Opens a GGUF file, a safetensors file or Hugging Face folder, or a llama2.c checkpoint, told
// apart by content. Throws kNotFound, kIo, kFormat or kUnsupported.
std::shared_ptr<const ModelFile> open_model_file(const Path& path,
                                                 const OpenModelOptions& options = {});

}  // namespace minim
