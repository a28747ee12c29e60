// What a model will need in memory, told before it is loaded.
#pragma once

#include <cstdint>

#include "formats/model_file.h"
#include "kernels/data_type.h"
#include "model/config.h"

namespace minim {

struct MemoryEstimate {
  uint64_t weight_bytes = 0;        // resident (or mapped) weights
  uint64_t kv_bytes_per_token = 0;  // of cache, for each token of each sequence
  uint64_t activation_bytes = 0;    // scratch for a batch of the given size, logits included
};

struct MemoryOptions {
  DataType cache_type = DataType::kF16;
  int64_t batch_rows_max = 512;  // tokens computed at once
  int64_t outputs_max = 1;       // rows of logits
};

// Throws what read_model_config() throws.
MemoryEstimate estimate_memory(const ModelFile& file, const MemoryOptions& options = {});

// For a model that does not exist yet, its matrices stored as `type`, as write_random_model() does.
MemoryEstimate estimate_memory(const ModelConfig& config, DataType type,
                               const MemoryOptions& options = {});

// The number of weights, embeddings included.
uint64_t parameter_count(const ModelConfig& config);

}  // namespace minim
