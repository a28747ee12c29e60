#include "model/memory.h"

#include <algorithm>

#include "base/checked_math.h"
#include "base/error.h"
#include "model/activations.h"
#include "model/architecture.h"
#include "tensor/kv_view.h"

namespace minim {
namespace {

uint64_t value_count(const TensorSpec& spec) {
  uint64_t count = 1;
  for (const int64_t size : spec.shape) {
    const auto product = checked_multiply<uint64_t>(count, static_cast<uint64_t>(size));
    if (!product) throw Error(ErrorCode::kLimit, "model: more weights than can be counted");
    count = *product;
  }
  return count;
}

// Optional tensors are left out: a model made from a config has none.
std::vector<TensorSpec> required_tensors(const ModelConfig& config) {
  validate_model_config(config);
  std::vector<TensorSpec> specs = find_architecture(config.architecture).tensors(config);
  std::erase_if(specs, [](const TensorSpec& spec) { return !spec.required; });
  return specs;
}

// Matrices stay as they are stored; vectors become floats.
uint64_t resident_bytes(const TensorSpec& spec, DataType type) {
  const uint64_t values = value_count(spec);
  if (spec.kind != TensorKind::kMatrix) return values * sizeof(float);
  const auto bytes = data_type_bytes(storage_type(spec, type), values);
  if (!bytes) throw Error(ErrorCode::kLimit, "model: more weights than can be counted");
  return *bytes;
}

void add_cache_and_activations(const ModelConfig& config, const MemoryOptions& options,
                               MemoryEstimate& estimate) {
  const KvLayout layout{options.cache_type, config.layer_count, config.kv_head_count,
                        config.head_dim};
  estimate.kv_bytes_per_token = layout.block_bytes() / static_cast<size_t>(layout.block_tokens);
  const auto logits = checked_multiply<int64_t>(options.outputs_max, config.vocabulary_size);
  if (options.outputs_max < 0 || !logits) {
    throw Error(ErrorCode::kInvalidArgument, "model: that many rows of logits are impossible");
  }
  estimate.activation_bytes = Activations::bytes(config, options.batch_rows_max) +
                              static_cast<uint64_t>(*logits) * sizeof(float);
}

}  // namespace

MemoryEstimate estimate_memory(const ModelFile& file, const MemoryOptions& options) {
  const ModelConfig config = read_model_config(file);
  MemoryEstimate estimate;
  for (const TensorSpec& spec : find_architecture(config.architecture).tensors(config)) {
    const TensorEntry* entry = file.find(spec.name);
    if (entry == nullptr) continue;
    TensorSpec found = spec;
    found.shape = entry->shape;
    estimate.weight_bytes += resident_bytes(found, entry->type);
  }
  add_cache_and_activations(config, options, estimate);
  return estimate;
}

MemoryEstimate estimate_memory(const ModelConfig& config, DataType type,
                               const MemoryOptions& options) {
  MemoryEstimate estimate;
  for (const TensorSpec& spec : required_tensors(config)) {
    estimate.weight_bytes += resident_bytes(spec, type);
  }
  add_cache_and_activations(config, options, estimate);
  return estimate;
}

uint64_t parameter_count(const ModelConfig& config) {
  uint64_t count = 0;
  for (const TensorSpec& spec : required_tensors(config)) count += value_count(spec);
  return count;
}

}  // namespace minim
