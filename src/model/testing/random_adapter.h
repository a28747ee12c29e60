// Random adapters, for tests of what uses them.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "formats/adapter/adapter_file.h"
#include "formats/model_file.h"

namespace minim::testing {

constexpr int64_t kRandomRank = 3;

inline std::vector<float> random_values(int64_t count, Rng& rng, float size) {
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = size * static_cast<float>(rng.uniform() * 2.0 - 1.0);
  return values;
}

// A tensor that holds these.
inline TensorEntry entry_of(std::string name, int64_t rows, int64_t cols,
                            std::vector<float> values) {
  const auto kept = std::make_shared<const std::vector<float>>(std::move(values));
  TensorEntry entry;
  entry.name = std::move(name);
  entry.rank = rows == 1 ? 1 : 2;
  entry.shape = {cols, rows, 1, 1};
  entry.load = [kept] { return TensorBytes{std::as_bytes(std::span(*kept)), kept}; };
  return entry;
}

inline bool adapter_changes(const TensorEntry& entry) {
  return entry.rank == 2 && entry.name.ends_with(".weight") && entry.name != "token_embd.weight" &&
         entry.name != "position_embd.weight";
}

// Random parts for every matrix but the embeddings.
inline AdapterFile random_adapter(const ModelFile& file, uint64_t seed,
                                  bool with_magnitudes = false, int64_t rank = kRandomRank) {
  Rng rng(seed);
  AdapterFile adapter;
  adapter.path = "random";
  adapter.base = "somebody/tiny";
  adapter.architecture = file.metadata().require_string("general.architecture");
  for (const TensorEntry& entry : file.tensors()) {
    if (!adapter_changes(entry)) continue;
    const int64_t rows = entry.shape[1], cols = entry.shape[0];
    AdapterPart part;
    part.target = entry.name;
    part.a = entry_of(entry.name + ".lora_a", rank, cols, random_values(rank * cols, rng, 0.5f));
    part.b = entry_of(entry.name + ".lora_b", rows, rank, random_values(rows * rank, rng, 0.5f));
    if (with_magnitudes) {
      part.magnitude =
          entry_of(entry.name + ".lora_magnitude", 1, rows, random_values(rows, rng, 1.0f));
    }
    part.scale = 0.25f;
    adapter.parts.push_back(std::move(part));
  }
  return adapter;
}

}  // namespace minim::testing
