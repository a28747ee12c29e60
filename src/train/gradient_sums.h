// Gradients that several ranks have computed, each of its rows, added up while backward runs: those
// of a layer are on their way as soon as backward has left it.
#pragma once

#include <vector>

#include "parallel/communicator.h"
#include "train/parameter_set.h"

namespace minim::train {

class GradientSums {
 public:
  // What is given outlives this.
  GradientSums(const ParameterSet& parameters, int layer_count, parallel::Communicator& ranks);

  // Begins with the layer's gradients, which are complete.
  void start_layer(int layer);
  // Adds up the rest and returns when everything is.
  void finish();

 private:
  struct Range {
    int64_t offset;
    int64_t count;
  };
  void start(const std::vector<Range>& ranges);

  const ParameterSet& parameters_;
  parallel::Communicator& ranks_;
  std::vector<std::vector<Range>> layers_;  // the last: what belongs to no layer
};

}  // namespace minim::train
