// Every tensor of a model under training, in one piece of memory: values and gradients, so that
// optimisers, checkpoints and reductions go through them from end to end.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/context.h"
#include "formats/model_file.h"
#include "model/config.h"
#include "model/weights.h"
#include "train/tape.h"

namespace minim::train {

struct ParameterInfo {
  TensorSpec spec;   // name, kind and shape as in model files
  int64_t rows = 0;  // of the matrix, those of all experts together; 1 of a vector
  int64_t cols = 0;
  int64_t offset = 0;  // of the first value
  bool trains = true;

  int64_t count() const { return rows * cols; }
  int64_t expert_count() const { return spec.shape[2]; }  // 1: no experts
};

// Projections that write to the residual stream: how they begin.
enum class ResidualStart {
  kScaled,  // divided by the square root of their number (Radford et al., 2019)
  kZero,    // every block begins as the identity
  kPlain,
};

struct InitialWeights {
  uint64_t seed = 1;
  float deviation = 0.02f;  // of matrices; norms begin at 1, biases at 0
  ResidualStart residual = ResidualStart::kScaled;
};

class ParameterSet {
 public:
  // Values and gradients; values alone, of which nothing trains (teachers); nothing (plans).
  enum class Memory { kReal, kValues, kNone };

  // Random weights; the same for a seed, however many threads there are.
  ParameterSet(const ModelConfig& config, const InitialWeights& initial,
               Memory memory = Memory::kReal);
  // Matrices and vectors of one's own, beside a model's: projections.
  ParameterSet(const std::vector<TensorSpec>& specs, uint64_t seed, float deviation);
  // The weights of a file as floats. Throws what WeightLoader does, and kFormat for weights that
  // are no finite numbers.
  ParameterSet(const Context& context, const ModelConfig& config, const ModelFile& file,
               Memory memory = Memory::kReal);

  const std::vector<ParameterInfo>& infos() const { return infos_; }
  const ParameterInfo* find(std::string_view name) const;
  // Does not exist() where the tensor is absent.
  Parameter get(std::string_view name) const;
  Parameter get(int layer, std::string_view name) const { return get(layer_tensor(layer, name)); }
  // Throws kInvalidArgument where the tensor is absent.
  Parameter require(std::string_view name) const;

  // Everything from end to end; between tensors lie some zeros.
  int64_t value_count() const { return value_count_; }
  std::span<float> values() const { return {values_.get(), size()}; }
  std::span<float> gradients() const {
    return {gradients_.get(), gradients_ == nullptr ? 0 : size()};
  }
  void clear_gradients(const Context& context);
  // Weights alone, without the zeros.
  int64_t parameter_count() const;

  // Tensors whose names begin with one of `prefixes` no longer train.
  void freeze(std::span<const std::string> prefixes);

 private:
  struct Free {
    void operator()(float* memory) const;
  };
  size_t size() const { return values_ == nullptr ? 0 : static_cast<size_t>(value_count_); }
  void lay_out(const std::vector<TensorSpec>& specs);
  void draw_all(const std::function<float(const ParameterInfo&)>& deviation, uint64_t seed);
  void allocate(Memory memory);

  std::vector<ParameterInfo> infos_;
  std::unordered_map<std::string, size_t> index_;
  int64_t value_count_ = 0;
  std::unique_ptr<float, Free> values_;
  std::unique_ptr<float, Free> gradients_;
};

}  // namespace minim::train
