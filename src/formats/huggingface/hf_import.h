// An import in progress: what each architecture's file fills in.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "formats/huggingface/hf_config.h"
#include "formats/huggingface/tensor_transforms.h"
#include "formats/metadata.h"
#include "formats/model_file.h"
#include "formats/safetensors/safetensors_reader.h"

namespace minim {

class HfImport {
 public:
  // `architecture` is GGUF's name, the prefix of all keys set here.
  HfImport(std::string architecture, HfConfig config, SafetensorsSources sources);

  const HfConfig& config() const { return config_; }
  const Metadata& metadata() const { return metadata_; }

  // kFormat outside 0 to 2^32 - 1.
  void set_size(std::string_view name, int64_t value);
  void set_number(std::string_view name, double value);
  void set_flag(std::string_view name, bool value);
  void set_text(std::string_view name, std::string value);

  size_t source_count() const { return sources_.size(); }
  bool has(std::string_view source) const { return sources_.contains(std::string(source)); }

  // Each takes the tensor `source` as GGUF's `target` and throws kFormat where it is missing or has
  // another shape than the one given, kUnsupported where it has no floating-point type. Vectors and
  // norms become F32, matrices keep F32, F16 and BF16.
  void vector(std::string target, std::string_view source, int64_t size,
              TensorChange change = TensorChange::kNone);
  void matrix(std::string target, std::string_view source, int64_t rows, int64_t cols,
              TensorChange change = TensorChange::kNone);
  // A weight of halves-rotated heads, or its bias where cols is 0.
  void rotary(std::string target, std::string_view source, int64_t rows, int64_t cols,
              int64_t heads);
  // Matrices of one shape, stacked.
  void stack(std::string target, const std::vector<std::string>& sources, int64_t rows,
             int64_t cols);
  // A tensor that no file holds.
  void constant(std::string target, std::vector<float> values);
  // Leaves out what GGUF has no use for, if it is there.
  void ignore(std::string_view source);
  void ignore_prefix(std::string_view prefix);

  // Ends the import. Throws kUnsupported naming tensors that nothing took.
  Metadata take_metadata() { return std::move(metadata_); }
  std::vector<TensorEntry> take_tensors();

 private:
  const SafetensorsSource& take(std::string_view source, std::initializer_list<int64_t> shape);
  void add(std::string target, TensorRecipe recipe, std::initializer_list<int64_t> gguf_shape);

  std::string architecture_;
  HfConfig config_;
  SafetensorsSources sources_;
  std::unordered_set<std::string> taken_;
  Metadata metadata_;
  std::vector<TensorEntry> tensors_;
};

}  // namespace minim
