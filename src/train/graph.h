// The graph of an architecture as training runs it: the same blocks as in model/, composed of
// operations that know their way back. Each architecture has a file in graphs/ and a row in the
// table here; a test holds its logits to those of the runtime.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/context.h"
#include "model/config.h"
#include "train/parameter_set.h"
#include "train/tape.h"
#include "train/token_layout.h"

namespace minim::train {

struct GraphOptions {
  float dropout = 0.0f;         // of what blocks add to the residual stream
  bool recompute = false;       // layers run again on the way back instead of keeping activations
  float balance_weight = 0.0f;  // of the balance of experts, see ExpertOptions
};

// What one pass reads; what it points to must outlive the tape.
struct TrainPass {
  std::span<const int32_t> tokens;
  const TokenLayout& layout;
  // The residual stream after each of these layers, in their order, for those who compare it.
  std::span<const int> kept_layers = {};
  std::vector<Variable>* kept = nullptr;
};

class TrainGraph {
 public:
  virtual ~TrainGraph() = default;
  // From tokens to the final norm, [tokens, dim].
  virtual Variable forward(Tape& tape, const TrainPass& pass) const = 0;
};

struct TrainArchitecture {
  const char* name;  // as in Architecture
  std::unique_ptr<const TrainGraph> (*make)(const Context& context, const ModelConfig& config,
                                            const ParameterSet& parameters,
                                            const GraphOptions& options);
};

extern const TrainArchitecture kTrainLlama;
extern const TrainArchitecture kTrainQwen2;
extern const TrainArchitecture kTrainQwen3;
extern const TrainArchitecture kTrainQwen3Moe;
extern const TrainArchitecture kTrainGemma3;
extern const TrainArchitecture kTrainPhi3;
extern const TrainArchitecture kTrainGpt2;

// Throws kUnsupported for an architecture without a graph for training, kInvalidArgument for
// options out of bounds.
std::unique_ptr<const TrainGraph> make_train_graph(const Context& context,
                                                   const ModelConfig& config,
                                                   const ParameterSet& parameters,
                                                   const GraphOptions& options = {});

}  // namespace minim::train
