#include "train/graph.h"

#include <fmt/core.h>

#include <array>

#include "base/error.h"

namespace minim::train {

std::unique_ptr<const TrainGraph> make_train_graph(const Context& context,
                                                   const ModelConfig& config,
                                                   const ParameterSet& parameters,
                                                   const GraphOptions& options) {
  if (!(options.dropout >= 0.0f && options.dropout < 1.0f)) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("train: dropout of {}; must be at least 0, below 1", options.dropout));
  }
  static constexpr std::array kArchitectures = {&kTrainLlama,    &kTrainQwen2,  &kTrainQwen3,
                                                &kTrainQwen3Moe, &kTrainGemma3, &kTrainPhi3,
                                                &kTrainGpt2};
  for (const TrainArchitecture* architecture : kArchitectures) {
    if (config.architecture == architecture->name) {
      return architecture->make(context, config, parameters, options);
    }
  }
  throw Error(ErrorCode::kUnsupported,
              fmt::format("train: architecture '{}' cannot be trained", config.architecture));
}

}  // namespace minim::train
