// Small configs and models in memory for tests.
#pragma once

#include <cmath>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "formats/model_file.h"
#include "model/architecture.h"
#include "model/config.h"

namespace minim::testing {

inline ModelConfig tiny_config(std::string architecture = "llama") {
  ModelConfig config;
  config.architecture = std::move(architecture);
  config.layer_count = 2;
  config.dim = 32;
  config.head_count = 4;
  config.kv_head_count = 2;
  config.head_dim = 8;
  config.ffn_dim = 64;
  config.vocabulary_size = 48;
  config.context_length = 64;
  config.tied_embeddings = true;
  config.rope.dimension_count = config.head_dim;
  config.rope.original_context_length = config.context_length;
  config.attention_scale = 1.0f / std::sqrt(8.0f);
  find_architecture(config.architecture).set_defaults(config);
  if (config.architecture == "gemma3") config.sliding_window = 16;
  if (config.architecture == "qwen3moe") {
    config.ffn_dim = 0;
    config.expert_count = 4;
    config.expert_used_count = 2;
    config.expert_ffn_dim = 16;
  }
  return config;
}

// A tensor of random floats, norms around 1.
inline TensorEntry random_tensor(const TensorSpec& spec, Rng& rng) {
  TensorEntry entry;
  entry.name = spec.name;
  entry.shape = spec.shape;
  for (int i = 1; i < 4; ++i) {
    if (spec.shape[static_cast<size_t>(i)] > 1) entry.rank = i + 1;
  }
  const auto values = std::make_shared<std::vector<float>>(entry.value_count());
  for (float& value : *values) {
    value = 0.2f * rng.normal() + (spec.kind == TensorKind::kNorm ? 1.0f : 0.0f);
  }
  entry.load = [values] {
    return TensorBytes{std::as_bytes(std::span<const float>(*values)), values};
  };
  return entry;
}

inline std::vector<TensorEntry> random_tensors(const ModelConfig& config, uint64_t seed = 1) {
  Rng rng(seed);
  std::vector<TensorEntry> tensors;
  for (const TensorSpec& spec : find_architecture(config.architecture).tensors(config)) {
    if (spec.required) tensors.push_back(random_tensor(spec, rng));
  }
  return tensors;
}

inline std::shared_ptr<const ModelFile> memory_file(Metadata metadata,
                                                    std::vector<TensorEntry> tensors) {
  return std::make_shared<const ModelFile>("tiny.gguf", "gguf", std::move(metadata),
                                           std::move(tensors));
}

inline std::shared_ptr<const ModelFile> tiny_file(const ModelConfig& config, uint64_t seed = 1) {
  Metadata metadata;
  write_model_config(config, metadata);
  return memory_file(std::move(metadata), random_tensors(config, seed));
}

}  // namespace minim::testing
