// A model under training: its weights as floats, the graph over them, and what a file of it says.
#pragma once

#include <memory>
#include <span>

#include "base/context.h"
#include "base/file.h"
#include "base/progress.h"
#include "formats/metadata.h"
#include "formats/model_file.h"
#include "kernels/data_type.h"
#include "train/graph.h"
#include "train/parameter_set.h"

namespace minim::train {

class TrainModel {
 public:
  // From random weights. `metadata` is what the exported file says beside the config, such as a
  // vocabulary. Throws what validate_model_config() does.
  TrainModel(const Context& context, const ModelConfig& config, const Metadata& metadata,
             const InitialWeights& initial, const GraphOptions& options = {});
  // From any file that open_model_file() opens, its weights dequantised.
  TrainModel(const Context& context, const ModelFile& file, const GraphOptions& options = {},
             ParameterSet::Memory memory = ParameterSet::Memory::kReal);

  const ModelConfig& config() const { return config_; }
  const Metadata& metadata() const { return metadata_; }
  ParameterSet& parameters() { return parameters_; }
  const ParameterSet& parameters() const { return parameters_; }

  // From tokens to the final norm.
  Variable forward(Tape& tape, const TrainPass& pass) const { return graph_->forward(tape, pass); }
  // [vocabulary, dim]: the embedding table itself where they are tied.
  Parameter head() const;
  // After parameters were frozen or thawed.
  void rebuild_graph(const Context& context);

 private:
  ModelConfig config_;
  Metadata metadata_;
  ParameterSet parameters_;
  GraphOptions options_;
  std::unique_ptr<const TrainGraph> graph_;
};

struct ExportOptions {
  DataType type = DataType::kF32;  // of matrices: kF32, kF16 or kBf16; vectors are F32
  ProgressSink progress;
};

// Writes `model` with `values`, which are laid out as its parameters, as GGUF. Throws
// kInvalidArgument for another type or another number of values, kFormat for values that are no
// finite numbers, kIo.
void export_model(const Context& context, const TrainModel& model, std::span<const float> values,
                  const Path& path, const ExportOptions& options = {});

}  // namespace minim::train
