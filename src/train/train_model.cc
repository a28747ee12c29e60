#include "train/train_model.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "formats/gguf/gguf_writer.h"
#include "kernels/quantize.h"

namespace minim::train {
namespace {

const ModelConfig& validated(const ModelConfig& config) {
  validate_model_config(config);
  return config;
}

Metadata with_config(Metadata metadata, const ModelConfig& config) {
  write_model_config(config, metadata);
  return metadata;
}

GgufTensor declare(const ParameterInfo& info, DataType type) {
  GgufTensor tensor{info.spec.name, storage_type(info.spec, type), 1, info.spec.shape};
  for (int dimension = 1; dimension < 4; ++dimension) {
    if (info.spec.shape[static_cast<size_t>(dimension)] > 1) tensor.rank = dimension + 1;
  }
  if (info.spec.kind == TensorKind::kMatrix) tensor.rank = std::max(tensor.rank, 2);
  return tensor;
}

}  // namespace

TrainModel::TrainModel(const Context& context, const ModelConfig& config, const Metadata& metadata,
                       const InitialWeights& initial, const GraphOptions& options)
    : config_(validated(config)),
      metadata_(with_config(metadata, config)),
      parameters_(config_, initial),
      options_(options) {
  rebuild_graph(context);
}

TrainModel::TrainModel(const Context& context, const ModelFile& file, const GraphOptions& options,
                       ParameterSet::Memory memory)
    : config_(read_model_config(file)),
      metadata_(file.metadata()),
      parameters_(context, config_, file, memory),
      options_(options) {
  rebuild_graph(context);
}

Parameter TrainModel::head() const {
  return parameters_.require(config_.tied_embeddings ? "token_embd.weight" : "output.weight");
}

void TrainModel::rebuild_graph(const Context& context) {
  graph_ = make_train_graph(context, config_, parameters_, options_);
}

void export_model(const Context& context, const TrainModel& model, std::span<const float> values,
                  const Path& path, const ExportOptions& options) {
  const ParameterSet& parameters = model.parameters();
  if (options.type != DataType::kF32 && options.type != DataType::kF16 &&
      options.type != DataType::kBf16) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("train: models are exported as f32, f16 or bf16, not {}",
                            data_type_info(options.type).name));
  }
  if (static_cast<int64_t>(values.size()) != parameters.value_count()) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("train: {} values to export for a model of {}", values.size(),
                            parameters.value_count()));
  }
  std::vector<GgufTensor> tensors;
  for (const ParameterInfo& info : parameters.infos()) {
    tensors.push_back(declare(info, options.type));
  }
  GgufWriter writer(path, model.metadata(), tensors);
  uint64_t done = 0;
  const auto total = static_cast<uint64_t>(parameters.parameter_count()) * sizeof(float);
  for (size_t i = 0; i < tensors.size(); ++i) {
    const ParameterInfo& info = parameters.infos()[i];
    const float* from = values.data() + info.offset;
    if (!std::all_of(from, from + info.count(), [](float v) { return std::isfinite(v); })) {
      throw Error(ErrorCode::kFormat,
                  fmt::format("train: tensor '{}' holds values that are no finite numbers",
                              info.spec.name));
    }
    const auto row_bytes = *data_type_bytes(tensors[i].type, static_cast<uint64_t>(info.cols));
    std::vector<std::byte> stored(row_bytes * static_cast<size_t>(info.rows));
    context.threads.run_ranges(info.rows, 16, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        kernels::quantize_row(tensors[i].type, from + row * info.cols,
                              stored.data() + static_cast<size_t>(row) * row_bytes, info.cols);
      }
    });
    writer.write(stored);
    done += static_cast<uint64_t>(info.count()) * sizeof(float);
    report_progress(options.progress, {"exporting", done, total, "bytes"});
  }
  writer.commit();
}

}  // namespace minim::train
