// How fast a model reads a prompt and generates, alone or for several sequences at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/context.h"
#include "base/progress.h"
#include "model/model.h"

namespace minim {

struct SpeedOptions {
  int64_t prompt_tokens = 512;        // read from an empty cache; 0: not measured
  int64_t generated_tokens = 128;     // steps of one token a sequence; 0: not measured
  int64_t depth = 0;                  // tokens in each cache before the first generated one
  int64_t sequence_count = 1;         // that generate together
  int64_t batch_tokens = 512;         // of a prompt, computed at once
  int64_t repetitions = 5;            // after one that is not counted
  DataType kv_type = DataType::kF16;  // of the caches
};

// Samples of one kind, in tokens a second, all sequences together.
struct SpeedSamples {
  std::vector<double> rates;  // one a repetition; empty where nothing was measured

  // REQUIRES: rates is not empty.
  double median() const;
  double min() const;
  double max() const;
};

struct SpeedResult {
  SpeedSamples prompt;
  SpeedSamples generation;
  size_t weight_bytes = 0;  // resident
  size_t cache_bytes = 0;   // of all sequences at the end
};

// Tokens are random and nothing is sampled: what is timed is Model::forward(). Throws
// kInvalidArgument for options outside the model's bounds.
SpeedResult measure_speed(const Context& context, const std::shared_ptr<const Model>& model,
                          const SpeedOptions& options, const ProgressSink& progress = {});

}  // namespace minim
