// The adapters of a command: --lora.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "cli/public_api.h"

namespace minim::cli {

struct AdapterOptions {
  std::vector<std::string> files;  // FILE or FILE:WEIGHT each
};
void add_adapter_options(CLI::App& app, AdapterOptions& options);

// Opens them all and gives them to the session, which must be empty.
void give_adapters(const v1::Model& model, const AdapterOptions& options, v1::Session& session);

}  // namespace minim::cli
