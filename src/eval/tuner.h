// Which numbers make models fastest on this processor: how many threads generate and read prompts,
// and how many tokens of a prompt are computed at once.
#pragma once

#include <cstdint>
#include <vector>

#include "base/context.h"
#include "base/progress.h"
#include "base/tuning.h"

namespace minim {

struct TunedValue {
  int64_t value = 0;
  double tokens_per_second = 0;  // median of the rounds
};

struct TuningReport {
  std::vector<TunedValue> generation_threads;  // each ascending by value
  std::vector<TunedValue> prompt_threads;
  std::vector<TunedValue> batch_tokens;
  Tuning best;
};

struct TunerOptions {
  int rounds = 3;         // every candidate in turn, so that what disturbs one disturbs all
  ProgressSink progress;  // stage "tuning", in readings
};

// Times some layers of a model of 1.2 billion weights in q4_0, made in memory (about 130 MB); takes
// some seconds. The threads of the context are its candidates. Throws kCancelled where `progress`
// says so.
TuningReport find_tuning(const Context& context, const TunerOptions& options = {});

// The smallest value that is as fast as the best but for 3 %, which is noise: fewer threads need
// less energy, smaller batches less memory. REQUIRES: !values.empty(), ascending by value.
int64_t choose_value(const std::vector<TunedValue>& values);

// All counts up to 8, from there on some: 1, 2, 4, ..., half, three quarters, and all.
std::vector<int> thread_candidates(int count);

}  // namespace minim
