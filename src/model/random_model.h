// A model with random weights and a working vocabulary, for measuring speed and memory before
// anything is trained.
#pragma once

#include <cstdint>

#include "base/context.h"
#include "base/file.h"
#include "base/progress.h"
#include "kernels/data_type.h"
#include "model/config.h"

namespace minim {

struct RandomModelOptions {
  DataType type = DataType::kQ4_0;  // of the matrices; norms are F32
  uint64_t seed = 1;
  ProgressSink progress;  // stage "writing", in bytes
};

// Writes a GGUF file, in row panels: memory does not grow with the model. The bytes depend on
// config, type and seed only, not on the number of threads. Matrices are drawn with standard
// deviation 0.02, norms are 1. Rows that `type` cannot hold whole blocks of are stored as Q8_0, or
// F16 where that does not fit either, with a warning. Throws kInvalidArgument for a config or type
// that makes no sense, kIo.
void write_random_model(const Context& context, const ModelConfig& config, const Path& path,
                        const RandomModelOptions& options = {});

}  // namespace minim
