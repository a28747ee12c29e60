// Guessing what follows, as the command line says it: --draft, --no-lookup.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>

#include "cli/public_api.h"

namespace minim::cli {

struct SpeculationOptions {
  std::string draft;  // a model; empty: none
  bool no_lookup = false;
};
void add_speculation_options(CLI::App& app, SpeculationOptions& options);

// What they ask for, opened for a model.
class Speculation {
 public:
  Speculation(const v1::Model& model, const SpeculationOptions& options);

  const v1::Draft* draft() const { return draft_ ? &*draft_ : nullptr; }
  bool lookup() const { return lookup_; }

 private:
  std::optional<v1::Draft> draft_;
  bool lookup_;
};

// How many times as long it would have taken without, estimated.
double speculation_gain(const v1::SessionStatistics& statistics);
// ", 30 of 41 guesses right (x 1.62)"; empty where nothing was guessed.
std::string guesses_text(const v1::SessionStatistics& statistics);

}  // namespace minim::cli
