// The optimisers that make_optimizer() chooses from, and what their state takes.
#pragma once

#include "train/optim/optimizer.h"

namespace minim::train {

std::unique_ptr<Optimizer> make_muon(const ParameterSet& parameters,
                                     const OptimizerOptions& options);
size_t muon_bytes(const ParameterSet& parameters);

std::unique_ptr<Optimizer> make_adafactor(const ParameterSet& parameters,
                                          const OptimizerOptions& options);
size_t adafactor_bytes(const ParameterSet& parameters);

}  // namespace minim::train
