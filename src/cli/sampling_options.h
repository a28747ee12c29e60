// The options of commands that generate text: how tokens are chosen, and when the text ends.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "cli/public_api.h"

namespace minim::cli {

// As given on the command line; what was not given is not there.
struct SamplingOptions {
  std::map<std::string, std::string> values;              // by name: "top-k", "seed", ...
  std::map<std::string, std::vector<std::string>> lists;  // of texts, by name: "ban", ...
  std::vector<std::string> stop_strings;
  std::vector<int32_t> stop_tokens;
  std::vector<int32_t> banned_tokens;
  std::vector<std::string> biases;  // "TOKEN=VALUE"
};

// Adds the flags, in groups, so that --help shows first what most people need.
void add_sampling_options(CLI::App& app, SamplingOptions& options);

// What is given one by one, beside the library's options: --stop, --ban-token and so on.
std::span<const v1::OptionInfo> list_options();
// Sets an option by its name, or adds to a list; \n, \t, \r and \\ are read in texts. Throws
// kInvalidArgument, as Error or v1::Error.
void set_option(v1::Sampling& sampling, const v1::OptionInfo& option, const std::string& value);

// Once the command line is read. Picks a seed where none was given, and notes it in the values.
// Throws kInvalidArgument, as Error or v1::Error, for values that make no sense and for options
// that would do nothing.
v1::Sampling make_sampling(SamplingOptions& options);

}  // namespace minim::cli
