// What a run will need in memory, before it takes any.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/context.h"
#include "train/trainer.h"

namespace minim::train {

struct MemoryPlan {
  size_t parameter_bytes = 0;   // weights as floats
  size_t gradient_bytes = 0;    // and theirs
  size_t optimizer_bytes = 0;   // its state and working memory
  size_t average_bytes = 0;     // the moving average of the weights
  size_t activation_bytes = 0;  // of one part of a batch, forward and backward, and the logits
  size_t product_bytes = 0;     // working memory of products and attention

  size_t total() const {
    return parameter_bytes + gradient_bytes + optimizer_bytes + average_bytes + activation_bytes +
           product_bytes;
  }
};

// Goes through a step of rows of `row_tokens` with a pool that only counts. No weights are made: a
// plan for a model of any size is quick and small. Throws what making the model would throw.
MemoryPlan plan_memory(const Context& context, const ModelConfig& config, const GraphOptions& graph,
                       const TrainerOptions& options, int64_t row_tokens);

}  // namespace minim::train
