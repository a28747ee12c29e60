// Optimisers: from gradients to new weights. Each has a file of its own and a row in
// make_optimizer(). Results do not depend on the number of threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/context.h"
#include "train/parameter_set.h"

namespace minim::train {

enum class OptimizerKind {
  kAdamW,      // Loshchilov and Hutter, 2019
  kMuon,       // matrices by Muon (Jordan et al., 2024), everything else by AdamW
  kAdafactor,  // second moments of matrices by rows and columns (Shazeer and Stern, 2018)
};

struct OptimizerOptions {
  OptimizerKind kind = OptimizerKind::kAdamW;
  float learning_rate = 1e-3f;    // at the peak of the schedule
  float weight_decay = 0.1f;      // of matrices, times the rate; norms and biases do not decay
  bool decay_embeddings = false;  // token_embd and position_embd too

  float beta1 = 0.9f;  // AdamW
  float beta2 = 0.95f;
  float epsilon = 1e-8f;

  float muon_learning_rate = 0.02f;  // of its matrices, times sqrt(max(1, rows / columns))
  float muon_momentum = 0.95f;
  int muon_iterations = 5;  // of Newton and Schulz

  float adafactor_decay = 0.8f;  // second moments forget as 1 - step^-decay
  float adafactor_clip = 1.0f;   // of the root mean square of an update
};

struct StepOptions {
  int64_t step = 0;             // updates done before this one
  float rate_fraction = 1.0f;   // of the peak: from the schedule
  float gradient_scale = 1.0f;  // multiplies every gradient: from clipping
  GemmPrecision precision = GemmPrecision::kFloat32;
};

// A part of an optimiser's state, for checkpoints.
struct StatePart {
  std::string name;
  std::span<float> values;
};

class Optimizer {
 public:
  virtual ~Optimizer() = default;
  // Changes the values of all parameters that train.
  virtual void step(const Context& context, ParameterSet& parameters,
                    const StepOptions& options) = 0;
  virtual std::vector<StatePart> state() = 0;
};

// Throws kInvalidArgument, naming the option, for what makes no sense.
std::unique_ptr<Optimizer> make_optimizer(const ParameterSet& parameters,
                                          const OptimizerOptions& options);
// The bytes of its state and of its working memory, without making it.
size_t optimizer_bytes(const ParameterSet& parameters, const OptimizerOptions& options);

// Whether Muon is for this tensor: a matrix that is neither embedding nor head.
bool is_muon_matrix(const ParameterInfo& info);
// Whether this tensor decays.
bool decays(const ParameterInfo& info, const OptimizerOptions& options);

// The norm of all gradients that train, summed in double in one order.
double gradient_norm(const Context& context, const ParameterSet& parameters);

}  // namespace minim::train
