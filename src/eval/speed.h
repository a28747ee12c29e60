// How fast a model reads a prompt and generates, alone or for several sequences at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/context.h"
#include "base/energy_meter.h"
#include "base/progress.h"
#include "model/model.h"

namespace minim {

// One thing to measure: reading a prompt, generating, or the one after the other.
struct SpeedTest {
  int64_t prompt_tokens = 0;          // that each sequence reads
  int64_t generated_tokens = 0;       // by each sequence, in steps of one token
  int64_t depth = 0;                  // tokens in each cache before that
  int64_t sequence_count = 1;         // prompts are read in turn, tokens generated together
  int64_t batch_tokens = 512;         // of a prompt, computed at once
  int64_t repetitions = 5;            // after one that is not counted
  DataType kv_type = DataType::kF16;  // of the caches
};

// As peers call it: "pp512", "tg128", "pp512+tg128", "tg128@d4096", "tg128 x8".
std::string speed_test_name(const SpeedTest& test);

// Throws kInvalidArgument for a test that makes no sense or does not fit the model's context.
void check_speed_test(const ModelConfig& config, const SpeedTest& test);

// The average of some samples, and how far they lie from it. REQUIRES: there is a sample.
struct SampleStatistics {
  double mean = 0;
  double standard_deviation = 0;  // of a sample: with n - 1; 0 for one
  double median = 0;
  double min = 0;
  double max = 0;
};
SampleStatistics sample_statistics(std::span<const double> samples);

struct SpeedResult {
  std::vector<double> rates;  // tokens a second of all sequences; one a repetition
  std::vector<double>
      first_token_seconds;  // to the first token of the first sequence, with prompts
  double step_bytes = 0;    // cache that a step of generation reads, all sequences, on average
  size_t cache_bytes = 0;   // of all sequences at the end
  std::optional<double> joules_per_token;  // where a meter was given
  EnergySource energy_source = EnergySource::kEstimate;
};

struct SpeedHooks {
  ProgressSink progress;          // stage: the name of the test; in tokens
  EnergyMeter* energy = nullptr;  // read around what is counted
};

// Tokens are random and nothing is sampled: what is timed is Model::forward(). Throws what
// check_speed_test() throws.
SpeedResult measure_speed(const Context& context, const std::shared_ptr<const Model>& model,
                          const SpeedTest& test, const SpeedHooks& hooks = {});

}  // namespace minim
