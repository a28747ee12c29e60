// The adapters of a command: --lora.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "cli/public_api.h"

namespace minim::cli {

struct AdapterChoice {
  std::string path;
  float weight = 1.0f;
};
// FILE or FILE:WEIGHT.
AdapterChoice parse_adapter_choice(const std::string& text);

struct AdapterOptions {
  std::vector<std::string> files;  // FILE or FILE:WEIGHT each
};
void add_adapter_options(CLI::App& app, AdapterOptions& options);

// All of them, opened for a model.
class Adapters {
 public:
  Adapters(const v1::Model& model, const AdapterOptions& options);
  // The session must have read nothing.
  void give(v1::Session& session) const;

 private:
  std::vector<v1::Adapter> adapters_;
  std::vector<float> weights_;
};

}  // namespace minim::cli
