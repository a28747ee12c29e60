// What constraints cost a model that writes.
#pragma once

#include <cstdint>
#include <memory>

#include "model/model.h"
#include "text/tokenizer.h"

namespace minim::bench {

struct GenerationCost {
  int64_t tokens = 0;
  double free_seconds = 0;         // without a constraint, as many tokens
  double constrained_seconds = 0;  // with one, token by token
  double forward_seconds = 0;      // with one, forced tokens read together
  int64_t forced_tokens = 0;       // of these
};

// A text of the schema's kind, three times over, in turns; the sampler is greedy and the model may
// have random weights: what it says does not matter.
GenerationCost measure_generation(const Context& context, std::shared_ptr<const Model> model,
                                  std::shared_ptr<const Tokenizer> tokenizer, int64_t tokens_max);

}  // namespace minim::bench
