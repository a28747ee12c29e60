// A model of the shapes and types of another one, with few layers and random weights, in memory:
// what is timed to foretell how fast the other one will be.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "formats/model_file.h"
#include "kernels/data_type.h"
#include "model/config.h"
#include "model/weights.h"

namespace minim {

// What a model consists of, its weights aside.
struct ModelShape {
  struct Tensor {
    TensorSpec spec;
    DataType type = DataType::kF32;
  };
  ModelConfig config;
  std::vector<Tensor> tensors;

  // Of matrices that are read for one generated token: of mixtures of experts those that a token
  // visits, and no table that is only looked up.
  double token_weight_bytes() const;
  // Of the matrices of all layers.
  double layer_weight_bytes() const;
  // Likewise, in weights that a token of a prompt is multiplied with.
  double layer_weight_count() const;
};

// Throws what read_model_config() throws, and kUnsupported for tensors that cannot be computed
// with.
ModelShape model_shape(const ModelFile& file);
// Of a model that does not exist yet, its matrices stored as `type`.
ModelShape model_shape(const ModelConfig& config, DataType type);

// `layer_count` of the layers, from all over the model; everything else is whole. The bytes of a
// tensor are made when it is loaded. REQUIRES: 1 <= layer_count <= shape.config.layer_count.
std::shared_ptr<const ModelFile> sample_model(const ModelShape& shape, int layer_count);

}  // namespace minim
