// Rotary positions in config.json: `rope_theta` and `rope_scaling`, or `rope_parameters`, which
// transformers 5 writes instead of them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "formats/huggingface/hf_config.h"
#include "formats/huggingface/hf_import.h"

namespace minim {

struct HfRope {
  double base = 10000.0;
  std::string type = "default";
  HfConfig parameters;  // of the type
};

// `layers` selects between parameters by the type of layer ("full_attention"), where the file
// distinguishes. `base` is what counts where the file says nothing.
HfRope read_hf_rope(const HfConfig& config, double base, const char* layers = nullptr);

// How many values of each head are rotated: all, or the first part.
int64_t rotary_dimensions(const HfConfig& config, const HfRope& rope, int64_t head_dim);

// Sets the base, the `dimensions` that are rotated, and the scaling: none, linear, YaRN, or
// Llama 3's as the tensor rope_freqs.weight. Dynamic NTK changes nothing within the context that
// the metadata states, and is left out. Throws kUnsupported naming any other type.
void import_rope(HfImport& import, const HfRope& rope, int64_t dimensions);

// A factor for each pair of a head by which Llama 3 divides its frequency.
std::vector<float> llama3_rope_factors(const HfRope& rope, int64_t dimensions);

}  // namespace minim
