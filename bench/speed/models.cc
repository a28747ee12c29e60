#include "bench/speed/models.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <optional>

#include "base/error.h"
#include "bench/speed/process.h"
#include "formats/model_file.h"
#include "model/config.h"
#include "model/memory.h"
#include "model/presets.h"

namespace minim::bench {
namespace {

constexpr std::array<const char*, 4> kNames = {"15M", "135M", "1.2B", "3.8B"};
constexpr std::array<const char*, 4> kPresets = {"bench-15m", "bench-135m", "nano-tiny",
                                                 "nano-small"};

Products products_of(DataType type) {
  if (type == DataType::kF32) return Products::kFloats;
  const bool half = type == DataType::kF16 || type == DataType::kBf16;
  return half ? Products::kBfloat16 : Products::kBytes;
}

void count_work(const ModelFile& file, BenchModel& model) {
  const ModelConfig config = read_model_config(file);
  model.parameter_count = parameter_count(config);
  model.cache_values = 2.0 * config.layer_count * config.kv_dim();
  std::map<DataType, double> bytes_of;
  for (const TensorEntry& tensor : file.tensors()) {
    if (tensor.rank < 2) continue;
    const bool embeddings = tensor.name == "token_embd.weight";
    const auto values = static_cast<double>(tensor.value_count());
    const auto bytes = static_cast<double>(tensor.byte_count());
    bytes_of[tensor.type] += bytes;
    if (embeddings && !config.tied_embeddings) continue;
    model.weight_bytes += bytes;
    model.weight_count += values;
    if (embeddings || tensor.name == "output.weight") model.head_count += values;
  }
  const auto most =
      std::max_element(bytes_of.begin(), bytes_of.end(),
                       [](const auto& a, const auto& b) { return a.second < b.second; });
  if (most == bytes_of.end()) return;
  model.products = products_of(most->first);
  if (model.type.empty()) model.type = data_type_info(most->first).name;
}

// Whether an older program made the file, when the preset had another shape.
bool is_outdated(const ModelConfig& made, const ModelConfig& wanted) {
  return made.layer_count != wanted.layer_count || made.dim != wanted.dim ||
         made.ffn_dim != wanted.ffn_dim || made.head_count != wanted.head_count ||
         made.kv_head_count != wanted.kv_head_count ||
         made.vocabulary_size != wanted.vocabulary_size ||
         made.context_length != wanted.context_length ||
         made.tied_embeddings != wanted.tied_embeddings;
}

void make_model(const std::string& preset, const std::string& type, const Path& path,
                const ModelOptions& options) {
  std::filesystem::create_directories(path.parent_path());
  const ProcessResult result =
      run_process({options.minim, "init", preset, path.string(), "--type", type, "--threads",
                   std::to_string(options.threads), "--quiet", "--force"},
                  {.seconds_max = options.seconds_max});
  if (const std::string failure = failure_of(result); !failure.empty()) {
    throw Error(ErrorCode::kIo,
                fmt::format("bench: minim init {} --type {}: {}", preset, type, failure));
  }
}

}  // namespace

double BenchModel::token_bytes(double rows, double seen, DataType cache_type) const {
  const DataTypeInfo& info = data_type_info(cache_type);
  return weight_bytes / rows + seen * cache_values * info.block_bytes / info.block_values;
}

std::span<const char* const> model_names() { return kNames; }

BenchModel random_model(const std::string& name, const std::string& type,
                        const ModelOptions& options) {
  const auto at = std::find(kNames.begin(), kNames.end(), name);
  if (at == kNames.end()) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("bench: there is no model '{}'; there are "
                            "{}, {}, {} and {}",
                            name, kNames[0], kNames[1], kNames[2], kNames[3]));
  }
  const std::string preset = kPresets[static_cast<size_t>(at - kNames.begin())];
  BenchModel model;
  model.name = name;
  model.type = type;
  model.path = options.folder / fmt::format("{}-{}.gguf", preset, type);
  std::shared_ptr<const ModelFile> file;
  if (std::filesystem::exists(model.path)) {
    file = open_model_file(model.path);
    if (is_outdated(read_model_config(*file), preset_config(preset))) file = nullptr;
  }
  if (file == nullptr) {
    make_model(preset, type, model.path, options);
    file = open_model_file(model.path);
  }
  count_work(*file, model);
  return model;
}

BenchModel given_model(const Path& path) {
  BenchModel model;
  model.name = path.stem().string();
  model.path = path;
  model.random = false;
  count_work(*open_model_file(path), model);
  return model;
}

}  // namespace minim::bench
