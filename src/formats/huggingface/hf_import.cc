#include "formats/huggingface/hf_import.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "base/error.h"
#include "formats/byte_reader.h"

namespace minim {
namespace {

// What other readers expect as F32 whatever the model is stored as.
bool is_kept_exact(const std::string& target, size_t rank) {
  return rank < 2 || !target.ends_with(".weight") || target.ends_with("_norm.weight") ||
         target.ends_with("ffn_gate_inp.weight") || target == "position_embd.weight";
}

std::string show_shape(const SafetensorsTensor& tensor) {
  return fmt::format("[{}]",
                     fmt::join(tensor.shape.begin(), tensor.shape.begin() + tensor.rank, ", "));
}

DataType result_type(const SafetensorsTensor& tensor, bool exact) {
  switch (tensor.type) {
    case SafetensorsType::kF16: return exact ? DataType::kF32 : DataType::kF16;
    case SafetensorsType::kBf16: return exact ? DataType::kF32 : DataType::kBf16;
    case SafetensorsType::kF32:
    case SafetensorsType::kF64: return DataType::kF32;
    default: break;
  }
  throw Error(ErrorCode::kUnsupported,
              fmt::format("huggingface: tensor '{}' is stored as {}; weights must be F64, F32, F16 "
                          "or BF16",
                          printable(tensor.name), safetensors_type_name(tensor.type)));
}

}  // namespace

HfImport::HfImport(std::string architecture, HfConfig config, SafetensorsSources sources)
    : architecture_(std::move(architecture)),
      config_(std::move(config)),
      sources_(std::move(sources)) {
  metadata_.set_string("general.architecture", architecture_);
}

void HfImport::set_size(std::string_view name, int64_t value) {
  if (value < 0 || value > int64_t{UINT32_MAX}) {
    throw Error(ErrorCode::kFormat,
                fmt::format("config.json: {} for '{}' is out of range", value, name));
  }
  metadata_.set_uint32(fmt::format("{}.{}", architecture_, name), static_cast<uint32_t>(value));
}

void HfImport::set_number(std::string_view name, double value) {
  metadata_.set_float32(fmt::format("{}.{}", architecture_, name), static_cast<float>(value));
}

void HfImport::set_flag(std::string_view name, bool value) {
  metadata_.set_bool(fmt::format("{}.{}", architecture_, name), value);
}

void HfImport::set_text(std::string_view name, std::string value) {
  metadata_.set_string(fmt::format("{}.{}", architecture_, name), std::move(value));
}

const SafetensorsSource& HfImport::take(std::string_view source,
                                        std::initializer_list<int64_t> shape) {
  const auto found = sources_.find(std::string(source));
  if (found == sources_.end()) {
    throw Error(
        ErrorCode::kFormat,
        fmt::format("huggingface: the tensor '{}' is missing; is the download complete?", source));
  }
  const SafetensorsTensor& tensor = *found->second.tensor;
  const bool matches = tensor.rank == static_cast<int>(shape.size()) &&
                       std::equal(shape.begin(), shape.end(), tensor.shape.begin());
  if (!matches) {
    throw Error(ErrorCode::kFormat,
                fmt::format("huggingface: tensor '{}' has the shape {}, but config.json asks for "
                            "[{}]",
                            source, show_shape(tensor), fmt::join(shape, ", ")));
  }
  taken_.insert(found->first);
  return found->second;
}

void HfImport::add(std::string target, TensorRecipe recipe,
                   std::initializer_list<int64_t> gguf_shape) {
  TensorEntry entry;
  entry.rank = static_cast<int>(gguf_shape.size());
  std::copy(gguf_shape.begin(), gguf_shape.end(), entry.shape.begin());
  const bool exact = is_kept_exact(target, gguf_shape.size());
  for (const SafetensorsSource& part : recipe.parts) {
    recipe.type = result_type(*part.tensor, exact);
    if (part.tensor->type == recipe.parts.front().tensor->type) continue;
    throw Error(
        ErrorCode::kUnsupported,
        fmt::format("huggingface: tensors '{}' and '{}' become one, but have different "
                    "types",
                    printable(recipe.parts.front().tensor->name), printable(part.tensor->name)));
  }
  entry.name = std::move(target);
  entry.type = recipe.type;
  const auto shared = std::make_shared<const TensorRecipe>(std::move(recipe));
  entry.load = [shared] { return cook(*shared); };
  tensors_.push_back(std::move(entry));
}

void HfImport::vector(std::string target, std::string_view source, int64_t size,
                      TensorChange change) {
  add(std::move(target), {{take(source, {size})}, DataType::kF32, change, 0}, {size});
}

void HfImport::matrix(std::string target, std::string_view source, int64_t rows, int64_t cols,
                      TensorChange change) {
  // What is stored transposed has the other shape in the file.
  const bool swap = change == TensorChange::kTranspose;
  const auto& part = swap ? take(source, {cols, rows}) : take(source, {rows, cols});
  add(std::move(target), {{part}, DataType::kF32, change, 0}, {cols, rows});
}

void HfImport::rotary(std::string target, std::string_view source, int64_t rows, int64_t cols,
                      int64_t heads) {
  const auto& part = cols == 0 ? take(source, {rows}) : take(source, {rows, cols});
  TensorRecipe recipe = {{part}, DataType::kF32, TensorChange::kPairRotary, heads};
  if (cols == 0) {
    add(std::move(target), std::move(recipe), {rows});
  } else {
    add(std::move(target), std::move(recipe), {cols, rows});
  }
}

void HfImport::stack(std::string target, const std::vector<std::string>& sources, int64_t rows,
                     int64_t cols) {
  TensorRecipe recipe;
  for (const std::string& source : sources) recipe.parts.push_back(take(source, {rows, cols}));
  const auto count = static_cast<int64_t>(sources.size());
  add(std::move(target), std::move(recipe), {cols, rows, count});
}

void HfImport::constant(std::string target, std::vector<float> values) {
  TensorEntry entry;
  entry.name = std::move(target);
  entry.shape[0] = static_cast<int64_t>(values.size());
  const auto shared = std::make_shared<const std::vector<float>>(std::move(values));
  entry.load = [shared] { return TensorBytes{std::as_bytes(std::span(*shared)), shared}; };
  tensors_.push_back(std::move(entry));
}

void HfImport::ignore(std::string_view source) { taken_.insert(std::string(source)); }

void HfImport::ignore_prefix(std::string_view prefix) {
  for (const auto& [name, source] : sources_) {
    if (name.starts_with(prefix)) taken_.insert(name);
  }
}

std::vector<TensorEntry> HfImport::take_tensors() {
  std::vector<std::string> left;
  for (const auto& [name, source] : sources_) {
    if (!taken_.contains(name)) left.push_back(printable(name));
  }
  if (!left.empty()) {
    std::sort(left.begin(), left.end());
    const size_t count = left.size();
    left.resize(std::min<size_t>(count, 5));
    throw Error(ErrorCode::kUnsupported,
                fmt::format("huggingface: {} tensors are not part of the architecture '{}' as "
                            "minim knows it: '{}'{}",
                            count, architecture_, fmt::join(left, "', '"),
                            count > left.size() ? ", ..." : ""));
  }
  return std::move(tensors_);
}

}  // namespace minim
