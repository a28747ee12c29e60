// From a file's tensors to weights in memory: every shape is checked against the config before a
// byte is read.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/context.h"
#include "base/progress.h"
#include "formats/model_file.h"
#include "tensor/weight_matrix.h"

namespace minim {

// What a tensor is for: decides how it is stored and how a random one is drawn.
enum class TensorKind {
  kMatrix,   // quantised at will
  kNorm,     // multiplies, around 1
  kBias,     // adds, around 0
  kFactors,  // rotary frequency divisors
};

struct TensorSpec {
  std::string name;
  TensorKind kind = TensorKind::kMatrix;
  std::array<int64_t, 4> shape = {1, 1, 1, 1};  // fastest-varying first, as in TensorEntry
  bool required = true;
};

TensorSpec matrix_spec(std::string name, int64_t rows, int64_t cols);
TensorSpec experts_spec(std::string name, int64_t experts, int64_t rows, int64_t cols);
TensorSpec vector_spec(std::string name, TensorKind kind, int64_t size);
TensorSpec optional_spec(TensorSpec spec);

// `wanted` for matrices whose rows it can hold whole blocks of, or else Q8_0, or else F16; F32 for
// vectors.
DataType storage_type(const TensorSpec& spec, DataType wanted);

// "blk.3.attn_q.weight"
std::string layer_tensor(int layer, std::string_view name);

struct WeightOptions {
  MatmulPrecision precision = MatmulPrecision::kFloat32;
  ProgressSink progress;
};

class WeightLoader {
 public:
  // Checks every tensor of `specs`. Throws kFormat where one is missing or has another shape,
  // kUnsupported where its type is none to compute with; warns of tensors that no spec names.
  WeightLoader(const Context& context, std::shared_ptr<const ModelFile> file,
               std::vector<TensorSpec> specs, WeightOptions options);

  // Empty where an optional tensor is absent; the same memory where it is asked for twice.
  // REQUIRES: `name` is that of a spec.
  WeightMatrix matrix(std::string_view name);
  // One matrix for each expert of a stacked tensor.
  std::vector<WeightMatrix> experts(std::string_view name);
  std::vector<float> vector(std::string_view name);

  WeightMatrix matrix(int layer, std::string_view name) {
    return matrix(layer_tensor(layer, name));
  }
  std::vector<WeightMatrix> experts(int layer, std::string_view name) {
    return experts(layer_tensor(layer, name));
  }
  std::vector<float> vector(int layer, std::string_view name) {
    return vector(layer_tensor(layer, name));
  }

  // Every matrix that matrix() gave, by its tensor's name.
  const std::unordered_map<std::string, WeightMatrix>& matrices() const { return loaded_; }
  // Resident bytes of everything loaded so far.
  size_t weight_bytes() const { return weight_bytes_; }
  // Of everything loaded so far, in whatever order.
  uint64_t fingerprint() const { return fingerprint_; }

 private:
  const TensorEntry* find(std::string_view name) const;
  TensorBytes read(const TensorEntry& entry);
  void warn_of_unknown() const;

  const Context& context_;
  std::shared_ptr<const ModelFile> file_;
  std::vector<TensorSpec> specs_;
  std::unordered_map<std::string_view, const TensorSpec*> index_;
  std::unordered_map<std::string, WeightMatrix> loaded_;
  WeightMemory memory_;
  WeightOptions options_;
  uint64_t bytes_total_ = 0;
  uint64_t bytes_done_ = 0;
  size_t weight_bytes_ = 0;
  uint64_t fingerprint_ = 0;
};

}  // namespace minim
