// The options of a sampler as a table: flags, their help, and the bounds of their values.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "runtime/sampler.h"

namespace minim {

// Where an option's value is.
using SamplerOptionField =
    std::variant<float& (*)(SamplerOptions&), int& (*)(SamplerOptions&),
                 int64_t& (*)(SamplerOptions&), uint64_t& (*)(SamplerOptions&),
                 bool& (*)(SamplerOptions&), std::vector<std::string>& (*)(SamplerOptions&)>;

enum class SamplerOptionGroup {
  kSampling,    // what most people set
  kRepetition,  // against repetition
  kSteps,       // the other steps
  kText,        // what is said, and what is told about it
};

// What an option is to a step: without a step, it always counts.
enum class SamplerOptionRole {
  kSwitch,  // one of its values switches the step off
  kDetail,  // counts only while another one has the step switched on
};

struct SamplerOptionRow {
  const char* name;  // "top-k": also the flag, --top-k
  SamplerOptionGroup group;
  std::optional<SamplerStep> step;
  SamplerOptionRole role;
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
