// The options of a sampler as a table: flags, their help, and the bounds of their values.
#pragma once

#include <span>
#include <variant>

#include "runtime/sampler.h"

namespace minim {

// Where an option's value is.
using SamplerOptionField =
    std::variant<float& (*)(SamplerOptions&), int& (*)(SamplerOptions&),
                 int64_t& (*)(SamplerOptions&), uint64_t& (*)(SamplerOptions&),
                 bool& (*)(SamplerOptions&), std::vector<std::string>& (*)(SamplerOptions&)>;

enum class SamplerOptionGroup { kSampling, kRepetition, kSteps, kLimits };

struct SamplerOptionRow {
  const char* name;  // "top-k": also the flag, --top-k
  SamplerOptionGroup group;
  SamplerOptionField field;
  const char* help;
  // Of numbers: what they may be, in numbers and in words.
  double min = 0;
  double max = 0;
  const char* wanted = "";
  bool above_min = false;  // min itself is not allowed
};

// All options but those whose values are tokens or steps.
std::span<const SamplerOptionRow> sampler_option_rows();

// Throws kInvalidArgument, naming the option, for numbers out of bounds (NaN included), empty
// texts, and an order of steps that makes no sense.
void check_sampler_options(const SamplerOptions& options);

}  // namespace minim
