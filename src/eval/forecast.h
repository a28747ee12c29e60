// How fast a model will be on this machine, told before it is loaded: from the time that a model of
// the same shapes and types takes here, with as many of its layers as are quickly made.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/context.h"
#include "eval/sample_model.h"
#include "tensor/weight_matrix.h"

namespace minim {

struct ForecastOptions {
  int64_t depth = 0;               // tokens in the cache before those that are generated
  int64_t generated_tokens = 128;  // as many, or what still fits: their average speed is told
  int64_t prompt_tokens = 512;     // read from an empty cache, at once
  DataType cache_type = DataType::kF16;
  MatmulPrecision precision = MatmulPrecision::kInt8;
  // Of weights that a token is timed with: many times the last cache of most processors.
  size_t sample_bytes_max = size_t{256} << 20;
  // Of weights that a prompt is timed with, where those of the model are more: multiplying them
  // takes a second or less.
  double prompt_weights_max = 200e6;
  double reading_seconds = 0.06;  // of generated tokens, for each of several readings
};

struct Forecast {
  double generation_tokens_per_second = 0;
  double prompt_tokens_per_second = 0;
  double token_bytes = 0;  // of weights and cache, read for one generated token
};

// Makes one to three models and times what measure_speed() would time; takes some seconds. Throws
// kInvalidArgument for options outside the model's bounds.
Forecast forecast_speed(const Context& context, const ModelShape& shape,
                        const ForecastOptions& options = {});

}  // namespace minim
