#include "model/presets.h"

#include <fmt/core.h>

#include <array>
#include <cmath>
#include <string>

#include "base/error.h"

namespace minim {
namespace {

constexpr int kVocabularySize = 32000;

struct Shape {
  const char* name;
  int layer_count;
  int dim;
  int head_count;
  int kv_head_count;
  int ffn_dim;
  bool tied_embeddings;
  int64_t context_length;
  double rope_base;
};

ModelConfig llama_config(const Shape& shape) {
  ModelConfig config;
  config.architecture = "llama";
  config.name = shape.name;
  config.layer_count = shape.layer_count;
  config.dim = shape.dim;
  config.head_count = shape.head_count;
  config.kv_head_count = shape.kv_head_count;
  config.head_dim = shape.dim / shape.head_count;
  config.ffn_dim = shape.ffn_dim;
  config.vocabulary_size = kVocabularySize;
  config.context_length = shape.context_length;
  config.tied_embeddings = shape.tied_embeddings;
  config.rope.base = shape.rope_base;
  config.rope.dimension_count = config.head_dim;
  config.rope.original_context_length = shape.context_length;
  config.attention_scale = 1.0f / std::sqrt(static_cast<float>(config.head_dim));
  return config;
}

// The nano family: four key and value heads keep 32,768 tokens of cache at 0.6, 2.1 and 2.1 GB in
// half precision; widths are multiples of 256, so that every block type fits.
ModelConfig nano_tiny() {
  return llama_config({"nano-tiny", 18, 2048, 32, 4, 8192, false, 32768, 500000.0});
}
ModelConfig nano_small() {
  return llama_config({"nano-small", 32, 3072, 24, 4, 9728, false, 32768, 500000.0});
}
ModelConfig nano_base() {
  return llama_config({"nano-base", 32, 4096, 32, 4, 14080, false, 32768, 500000.0});
}

// The shapes of well-known small models: llama2.c's stories15M and SmolLM-135M, the latter with a
// smaller vocabulary, both with room for the depths that benchmarks look at.
ModelConfig bench_15m() {
  return llama_config({"bench-15m", 6, 288, 6, 6, 768, true, 32768, 10000.0});
}
ModelConfig bench_135m() {
  return llama_config({"bench-135m", 30, 576, 9, 3, 1536, true, 32768, 10000.0});
}

}  // namespace

std::span<const Preset> presets() {
  static constexpr std::array<Preset, 5> kPresets = {{
      {"nano-tiny", "1.2 billion weights, for phones and small boards", nano_tiny},
      {"nano-small", "3.8 billion weights, for laptops", nano_small},
      {"nano-base", "7 billion weights, for desktops and servers", nano_base},
      {"bench-15m", "15 million weights, for tests", bench_15m},
      {"bench-135m", "125 million weights, for quick benchmarks", bench_135m},
  }};
  return kPresets;
}

ModelConfig preset_config(std::string_view name) {
  std::string names;
  for (const Preset& preset : presets()) {
    if (name == preset.name) return preset.config();
    names += fmt::format("{}{}", names.empty() ? "" : ", ", preset.name);
  }
  throw Error(ErrorCode::kNotFound,
              fmt::format("model: there is no preset '{}'; there are {}", name, names));
}

}  // namespace minim
