#include "eval/sample_model.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/error.h"
#include "base/rng.h"
#include "kernels/quantize.h"
#include "model/architecture.h"

namespace minim {
namespace {

// Rows of weights repeat after so many: enough that tokens differ and experts are all visited, and
// quick to make.
constexpr int64_t kDistinctRows = 64;
constexpr float kDeviation = 0.02f;

struct LayerName {
  int layer = 0;
  std::string_view name;  // "attn_q.weight"
};

// "blk.3.attn_q.weight", or nothing for what belongs to no layer.
std::optional<LayerName> parse_layer(std::string_view name) {
  constexpr std::string_view kPrefix = "blk.";
  if (!name.starts_with(kPrefix)) return std::nullopt;
  name.remove_prefix(kPrefix.size());
  LayerName parsed;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), parsed.layer);
  if (error != std::errc() || end == name.data() + name.size() || *end != '.') return std::nullopt;
  parsed.name = name.substr(static_cast<size_t>(end - name.data()) + 1);
  return parsed;
}

double value_count(const TensorSpec& spec) {
  double count = 1;
  for (const int64_t size : spec.shape) count *= static_cast<double>(size);
  return count;
}

// The share of a matrix that one token is multiplied with.
double used_share(const ModelConfig& config, const TensorSpec& spec) {
  if (spec.kind != TensorKind::kMatrix || spec.name == "position_embd.weight") return 0;
  if (spec.name == "token_embd.weight") return config.tied_embeddings ? 1 : 0;
  if (spec.shape[2] == 1) return 1;
  return static_cast<double>(config.expert_used_count) / static_cast<double>(spec.shape[2]);
}

double stored_bytes(const ModelShape::Tensor& tensor) {
  const DataTypeInfo& info = data_type_info(tensor.type);
  return value_count(tensor.spec) * info.block_bytes / info.block_values;
}

TensorBytes owned(std::vector<std::byte> bytes) {
  const auto owner = std::make_shared<const std::vector<std::byte>>(std::move(bytes));
  return {*owner, owner, nullptr};
}

TensorBytes make_matrix(const TensorSpec& spec, DataType type) {
  const int64_t cols = spec.shape[0];
  const int64_t rows = spec.shape[1] * spec.shape[2] * spec.shape[3];
  const auto row_bytes = static_cast<size_t>(*data_type_bytes(type, static_cast<uint64_t>(cols)));
  std::vector<std::byte> bytes(row_bytes * static_cast<size_t>(rows));
  Rng rng(std::hash<std::string>()(spec.name));
  std::vector<float> values(static_cast<size_t>(cols));
  for (int64_t row = 0; row < rows; ++row) {
    std::byte* out = bytes.data() + static_cast<size_t>(row) * row_bytes;
    if (row >= kDistinctRows) {
      std::memcpy(out, bytes.data() + static_cast<size_t>(row % kDistinctRows) * row_bytes,
                  row_bytes);
      continue;
    }
    for (float& value : values) value = kDeviation * rng.normal();
    kernels::quantize_row(type, values.data(), out, cols);
  }
  return owned(std::move(bytes));
}

// Norms and factors of 1, biases of 0, as floats.
TensorBytes make_vector(const TensorSpec& spec) {
  std::vector<float> values(static_cast<size_t>(value_count(spec)),
                            spec.kind == TensorKind::kBias ? 0.0f : 1.0f);
  std::vector<std::byte> bytes(values.size() * sizeof(float));
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return owned(std::move(bytes));
}

TensorEntry make_entry(const TensorSpec& spec, DataType type) {
  TensorEntry entry;
  entry.name = spec.name;
  entry.shape = spec.shape;
  for (int dimension = 1; dimension < 4; ++dimension) {
    if (spec.shape[static_cast<size_t>(dimension)] > 1) entry.rank = dimension + 1;
  }
  if (spec.kind == TensorKind::kMatrix) {
    entry.rank = std::max(entry.rank, 2);
    entry.type = type;
    entry.load = [spec, type] { return make_matrix(spec, type); };
  } else {
    entry.load = [spec] { return make_vector(spec); };
  }
  return entry;
}

}  // namespace

double ModelShape::token_weight_bytes() const {
  double bytes = 0;
  for (const Tensor& tensor : tensors) {
    bytes += stored_bytes(tensor) * used_share(config, tensor.spec);
  }
  return bytes;
}

double ModelShape::layer_weight_bytes() const {
  double bytes = 0;
  for (const Tensor& tensor : tensors) {
    if (tensor.spec.kind == TensorKind::kMatrix && parse_layer(tensor.spec.name)) {
      bytes += stored_bytes(tensor);
    }
  }
  return bytes;
}

double ModelShape::layer_weight_count() const {
  double count = 0;
  for (const Tensor& tensor : tensors) {
    if (!parse_layer(tensor.spec.name)) continue;
    count += value_count(tensor.spec) * used_share(config, tensor.spec);
  }
  return count;
}

ModelShape model_shape(const ModelFile& file) {
  ModelShape shape{read_model_config(file), {}};
  for (TensorSpec& spec : find_architecture(shape.config.architecture).tensors(shape.config)) {
    const TensorEntry* entry = file.find(spec.name);
    if (entry == nullptr) continue;
    const DataTypeInfo& info = data_type_info(entry->type);
    if (!info.is_weight || entry->shape[0] % info.block_values != 0) {
      throw Error(ErrorCode::kUnsupported,
                  fmt::format("forecast: tensor '{}' is stored as {}, which this model cannot be "
                              "computed with",
                              spec.name, info.name));
    }
    shape.tensors.push_back({std::move(spec), entry->type});
  }
  return shape;
}

ModelShape model_shape(const ModelConfig& config, DataType type) {
  validate_model_config(config);
  ModelShape shape{config, {}};
  for (TensorSpec& spec : find_architecture(config.architecture).tensors(config)) {
    if (!spec.required) continue;
    const DataType stored = storage_type(spec, type);
    shape.tensors.push_back({std::move(spec), stored});
  }
  return shape;
}

std::shared_ptr<const ModelFile> sample_model(const ModelShape& shape, int layer_count) {
  MINIM_CHECK(layer_count >= 1 && layer_count <= shape.config.layer_count);
  std::unordered_map<std::string_view, const ModelShape::Tensor*> known;
  for (const ModelShape::Tensor& tensor : shape.tensors) known[tensor.spec.name] = &tensor;
  ModelConfig config = shape.config;
  config.layer_count = layer_count;
  Metadata metadata;
  write_model_config(config, metadata);
  std::vector<TensorEntry> entries;
  for (const TensorSpec& spec : find_architecture(config.architecture).tensors(config)) {
    std::string source = spec.name;
    if (const auto parsed = parse_layer(spec.name)) {
      const int layer = parsed->layer * shape.config.layer_count / layer_count;
      source = layer_tensor(layer, parsed->name);
    }
    const auto found = known.find(source);
    if (found != known.end()) entries.push_back(make_entry(spec, found->second->type));
  }
  return std::make_shared<ModelFile>("sample of a model", "memory", std::move(metadata),
                                     std::move(entries));
}

}  // namespace minim
