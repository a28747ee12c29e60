// How fast a model will be on this machine and what memory it will take, told before it is loaded:
// from its shapes, and from the time that its kinds of products take here.
#pragma once

#include <cstdint>
#include <vector>

#include "base/context.h"
#include "formats/model_file.h"
#include "model/config.h"
#include "tensor/weight_matrix.h"

namespace minim {

// Matrices of one shape and type that a token is multiplied with.
struct MatrixGroup {
  DataType type = DataType::kF32;
  int64_t rows = 0;
  int64_t cols = 0;
  double count = 0;      // of them in the model
  double used = 1;       // share of them that one token visits: below 1 for experts
  bool is_head = false;  // only for tokens whose logits are wanted
};

struct ModelShape {
  ModelConfig config;
  std::vector<MatrixGroup> groups;

  double token_weight_bytes() const;  // read for one generated token
};

// Throws what read_model_config() throws.
ModelShape model_shape(const ModelFile& file);
// Of a model that does not exist yet, its matrices stored as `type`.
ModelShape model_shape(const ModelConfig& config, DataType type);

struct ForecastOptions {
  int64_t depth = 0;            // tokens in the cache while one is generated
  int64_t prompt_tokens = 512;  // read from an empty cache, at once
  DataType cache_type = DataType::kF16;
  MatmulPrecision precision = MatmulPrecision::kInt8;
  size_t sample_bytes_max = size_t{256} << 20;  // of weights that products are timed with
};

struct Forecast {
  double generation_tokens_per_second = 0;
  double prompt_tokens_per_second = 0;
  double token_bytes = 0;     // of weights and cache, read for one generated token
  double products_share = 0;  // of a generated token's time; the rest is attention, norms and such
};

// Times products of the model's shapes and types, of random weights, on a share of the model that
// fits sample_bytes_max; and the rest of one layer. Takes a second or two. Throws kInvalidArgument
// for options outside the model's bounds.
Forecast forecast_speed(const Context& context, const ModelShape& shape,
                        const ForecastOptions& options = {});

}  // namespace minim
