// AdamW over some of the parameters.
#pragma once

#include <functional>
#include <vector>

#include "train/optim/optimizer.h"

namespace minim::train {

class AdamW final : public Optimizer {
 public:
  // Over the tensors that `takes` says.
  using Filter = std::function<bool(const ParameterInfo&)>;
  AdamW(const ParameterSet& parameters, const OptimizerOptions& options, const Filter& takes);

  void step(const Context& context, ParameterSet& parameters, const StepOptions& options) override;
  std::vector<StatePart> state() override;

  static size_t bytes(const ParameterSet& parameters, const Filter& takes);

 private:
  struct Tensor {
    int64_t offset;  // among the parameters
    int64_t count;
    int64_t state;  // in means_ and squares_
    float decay;
  };
  OptimizerOptions options_;
  std::vector<Tensor> tensors_;
  std::vector<float> means_;
  std::vector<float> squares_;
};

}  // namespace minim::train
