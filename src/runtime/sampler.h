// From logits to the next token.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/rng.h"

namespace minim {

struct SamplerOptions {
  float temperature = 0.8f;  // 0: greedy
  int top_k = 40;            // keep this many of the most probable; 0: all
  float top_p = 0.95f;       // keep the smallest set with this much probability; 1: all
  float min_p = 0.05f;       // drop what is less probable than this share of the best; 0: none
  uint64_t seed = 0;         // the same seed gives the same choices
};

class Sampler {
 public:
  // Throws kInvalidArgument, naming the option, for values that make no sense (NaN included).
  explicit Sampler(const SamplerOptions& options);

  // Picks a token. Ties are broken by the smaller id, so that greedy text is reproducible.
  // Logits that are not numbers are never chosen; throws kInvalidArgument if none is a number.
  int32_t sample(std::span<const float> logits);

 private:
  struct Candidate {
    float logit;
    int32_t token;
  };
  void collect(std::span<const float> logits);
  void keep_probable();
  int32_t draw();

  SamplerOptions options_;
  Rng rng_;
  std::vector<Candidate> candidates_;
  std::vector<float> probabilities_;
};

// The index of the largest logit, the smallest one of equals.
int32_t most_probable(std::span<const float> logits);

}  // namespace minim
