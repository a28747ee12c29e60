// The governor of commands that compute for long: its options as flags, and its events as lines.
//
// A command that generates adds the flags, makes a Governor of its engine's threads with
// governor_sink(), and names it in GeneratorOptions::governor.
#pragma once

#include <CLI/CLI.hpp>

#include "runtime/governor.h"

namespace minim::cli {

// Adds the flags of governor_option_rows(), as a group of their own in --help.
void add_governor_options(CLI::App& app, GovernorOptions& options);

// Writes what changes to standard error: "minim: 72.5 C in ... is over 70.0 C: 4 threads -> 2".
GovernorSink governor_sink();

}  // namespace minim::cli
