// A model through the public API, opened as the command line says.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "cli/engine.h"
#include "cli/public_api.h"

namespace minim::cli {

struct PublicModelOptions {
  ModelOptions model;
  EngineOptions engine;
  DataType cache_type = DataType::kF16;
  int64_t context_tokens = 0;  // 0: the model's, at most 4096
  int64_t batch_tokens = 0;    // 0: what `minim tune` found, or 512
  bool governor = false;
  int64_t sessions_max = 0;
  // Asked while the model is loaded; false stops that. Empty: Ctrl-C does.
  std::function<bool()> go_on = {};
};
// Returns the option MODEL, which is required.
CLI::Option* add_public_model_options(CLI::App& app, PublicModelOptions& options);

// Shows progress unless quiet, and warnings.
class PublicModel {
 public:
  explicit PublicModel(const PublicModelOptions& options);

  v1::Model& model() { return *model_; }

 private:
  std::optional<v1::Engine> engine_;
  std::optional<v1::Model> model_;
};

}  // namespace minim::cli
