#include "model/weights.h"

#include <fmt/core.h>

#include <utility>

#include "base/error.h"
#include "kernels/quantize.h"
#include "model/fingerprint.h"

namespace minim {
namespace {

std::string format_shape(const std::array<int64_t, 4>& shape) {
  size_t rank = 4;
  while (rank > 1 && shape[rank - 1] == 1) --rank;
  std::string text;
  for (size_t i = rank; i > 0; --i) {
    text += fmt::format("{}{}", text.empty() ? "" : " x ", shape[i - 1]);
  }
  return text;
}

void check_entry(const TensorSpec& spec, const TensorEntry& entry) {
  if (entry.shape != spec.shape) {
    throw Error(ErrorCode::kFormat,
                fmt::format("model: tensor '{}' is {}, but the metadata asks for {}", spec.name,
                            format_shape(entry.shape), format_shape(spec.shape)));
  }
  const DataTypeInfo& info = data_type_info(entry.type);
  if (!info.is_weight) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("model: tensor '{}' is stored as {}, which is no type for weights",
                            spec.name, info.name));
  }
  if (entry.shape[0] % info.block_values != 0) {
    throw Error(ErrorCode::kFormat,
                fmt::format("model: rows of {} in tensor '{}' are no whole number of {} blocks",
                            entry.shape[0], spec.name, info.name));
  }
}

}  // namespace

TensorSpec matrix_spec(std::string name, int64_t rows, int64_t cols) {
  return {std::move(name), TensorKind::kMatrix, {cols, rows, 1, 1}, true};
}

TensorSpec experts_spec(std::string name, int64_t experts, int64_t rows, int64_t cols) {
  return {std::move(name), TensorKind::kMatrix, {cols, rows, experts, 1}, true};
}

TensorSpec vector_spec(std::string name, TensorKind kind, int64_t size) {
  return {std::move(name), kind, {size, 1, 1, 1}, true};
}

TensorSpec optional_spec(TensorSpec spec) {
  spec.required = false;
  return spec;
}

DataType storage_type(const TensorSpec& spec, DataType wanted) {
  if (spec.kind != TensorKind::kMatrix) return DataType::kF32;
  for (const DataType type : {wanted, DataType::kQ8_0}) {
    if (spec.shape[0] % data_type_info(type).block_values == 0) return type;
  }
  return DataType::kF16;
}

std::string layer_tensor(int layer, std::string_view name) {
  return fmt::format("blk.{}.{}", layer, name);
}

WeightLoader::WeightLoader(const Context& context, std::shared_ptr<const ModelFile> file,
                           std::vector<TensorSpec> specs, WeightOptions options)
    : context_(context),
      file_(std::move(file)),
      specs_(std::move(specs)),
      memory_(context.memory),
      options_(std::move(options)) {
  for (const TensorSpec& spec : specs_) {
    index_.emplace(spec.name, &spec);
    const TensorEntry* entry = file_->find(spec.name);
    if (entry != nullptr) {
      check_entry(spec, *entry);
      bytes_total_ += entry->byte_count();
    } else if (spec.required) {
      throw Error(ErrorCode::kFormat,
                  fmt::format("model: tensor '{}' ({}) is missing; is the file whole?", spec.name,
                              format_shape(spec.shape)));
    }
  }
  warn_of_unknown();
}

void WeightLoader::warn_of_unknown() const {
  constexpr int kNamedMax = 8;
  int count = 0;
  std::string names;
  for (const TensorEntry& entry : file_->tensors()) {
    if (index_.contains(entry.name)) continue;
    if (count < kNamedMax) names += fmt::format("{}'{}'", count == 0 ? "" : ", ", entry.name);
    ++count;
  }
  if (count == 0) return;
  if (count > kNamedMax) names += fmt::format(" and {} more", count - kNamedMax);
  context_.warn(
      fmt::format("model: {} tensors that this architecture has no use for: {}", count, names));
}

const TensorEntry* WeightLoader::find(std::string_view name) const {
  MINIM_CHECK(index_.contains(name));
  return file_->find(name);
}

TensorBytes WeightLoader::read(const TensorEntry& entry) {
  TensorBytes loaded = entry.load();
  if (loaded.bytes.size() != entry.byte_count()) {
    throw Error(ErrorCode::kFormat,
                fmt::format("model: tensor '{}' has {} bytes, not {}", entry.name,
                            loaded.bytes.size(), entry.byte_count()));
  }
  fingerprint_ += tensor_fingerprint(entry, loaded.bytes);
  bytes_done_ += loaded.bytes.size();
  report_progress(options_.progress, {"loading", bytes_done_, bytes_total_, "bytes"});
  return loaded;
}

WeightMatrix WeightLoader::matrix(std::string_view name) {
  const TensorEntry* entry = find(name);
  if (entry == nullptr) return {};
  const auto found = loaded_.find(entry->name);
  if (found != loaded_.end()) return found->second;
  const TensorBytes loaded = read(*entry);
  WeightMatrix matrix = WeightMatrix::pack(context_, entry->type, entry->shape[1], entry->shape[0],
                                           loaded.bytes, loaded.owner, memory_, options_.precision);
  if (matrix.is_packed() && loaded.mapping != nullptr) loaded.mapping->release(loaded.bytes);
  weight_bytes_ += matrix.bytes();
  loaded_.emplace(entry->name, matrix);
  return matrix;
}

std::vector<WeightMatrix> WeightLoader::experts(std::string_view name) {
  const TensorEntry* entry = find(name);
  if (entry == nullptr) return {};
  const TensorBytes loaded = read(*entry);
  const auto count = static_cast<size_t>(entry->shape[2]);
  const size_t bytes = loaded.bytes.size() / count;
  std::vector<WeightMatrix> matrices;
  matrices.reserve(count);
  for (size_t expert = 0; expert < count; ++expert) {
    matrices.push_back(WeightMatrix::pack(context_, entry->type, entry->shape[1], entry->shape[0],
                                          loaded.bytes.subspan(expert * bytes, bytes), loaded.owner,
                                          memory_, options_.precision));
    weight_bytes_ += matrices.back().bytes();
  }
  if (matrices.front().is_packed() && loaded.mapping != nullptr) {
    loaded.mapping->release(loaded.bytes);
  }
  return matrices;
}

std::vector<float> WeightLoader::vector(std::string_view name) {
  const TensorEntry* entry = find(name);
  if (entry == nullptr) return {};
  const TensorBytes loaded = read(*entry);
  std::vector<float> values(static_cast<size_t>(entry->shape[0]));
  kernels::dequantize_row(entry->type, loaded.bytes.data(), values.data(), entry->shape[0]);
  weight_bytes_ += values.size() * sizeof(float);
  return values;
}

}  // namespace minim
