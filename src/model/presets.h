// Named shapes: the nano family and small models for tests and benchmarks. All are llama graphs.
#pragma once

#include <span>
#include <string_view>

#include "model/config.h"

namespace minim {

struct Preset {
  const char* name;         // "nano-tiny"
  const char* description;  // one line for --help
  ModelConfig (*config)();
};

std::span<const Preset> presets();

// Throws kNotFound, listing the names there are.
ModelConfig preset_config(std::string_view name);

}  // namespace minim
