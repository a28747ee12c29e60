// The options of commands that generate text: how tokens are chosen, and when the text ends.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

#include "runtime/text_generator.h"

namespace minim::cli {

struct SamplingOptions {
  SamplerOptions sampler;
  std::vector<std::string> stop_strings;
  std::vector<TokenId> stop_tokens;
  std::string steps;                // as given: "a;b;c"
  std::vector<std::string> biases;  // as given: "TOKEN=VALUE"
  // Throws for options that were given on the command line and would do nothing.
  std::function<void(const SamplerOptions&)> check_effect;
};

// Adds the flags, in groups, so that --help shows first what most people need.
void add_sampling_options(CLI::App& app, SamplingOptions& options);

// Once the command line is read: takes in what was given as text, and picks a seed where none was
// given. Throws kInvalidArgument.
void finish_sampling_options(SamplingOptions& options);

}  // namespace minim::cli
