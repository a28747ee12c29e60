// The frequencies of rotary position embeddings, with every way of stretching them.
#pragma once

#include <span>
#include <vector>

#include "model/config.h"
#include "model/weights.h"
#include "tensor/ops.h"

namespace minim {

struct Rotary {
  std::vector<float> frequencies;  // [dimension_count / 2]
  float magnitude = 1.0f;
  RopePairing pairing = RopePairing::kHalves;

  RopeTable table() const { return {frequencies, magnitude, pairing}; }
};

// `factors` divide the frequencies one by one, on top of the scaling that `rope` asks for; empty:
// none. REQUIRES: factors.size() is 0 or dimension_count / 2, `rope` passed validation.
Rotary make_rotary(const RopeConfig& rope, RopePairing pairing,
                   std::span<const float> factors = {});

// The same without any stretching, from another base: local layers of Gemma 3.
Rotary make_local_rotary(const ModelConfig& config, RopePairing pairing);

// The tensors that a file may bring its own factors in, and the frequencies made from whichever it
// has: "rope_freqs", or the long or short set for the context at hand. Throws kFormat for factors
// that are not positive numbers and for LongRoPE without any.
void add_rotary_specs(const ModelConfig& config, std::vector<TensorSpec>& specs);
Rotary load_rotary(WeightLoader& loader, const ModelConfig& config, RopePairing pairing);

}  // namespace minim
