#include "eval/speed.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "eval/speed_run.h"

namespace minim {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// One repetition after the other, and what has been done so far.
class Measurement {
 public:
  Measurement(const Context& context, const Model& model, const SpeedTest& test,
              const SpeedHooks& hooks)
      : test_(test),
        hooks_(hooks),
        name_(speed_test_name(test)),
        run_(context, model,
             {.slots = test.depth + test.prompt_tokens + test.generated_tokens,
              .sequence_count = test.sequence_count,
              .batch_tokens = std::clamp(std::max(test.prompt_tokens, test.depth), int64_t{1},
                                         test.batch_tokens),
              .kv_type = test.kv_type}) {
    total_ = test.sequence_count * test.depth + (test.repetitions + 1) * test.sequence_count *
                                                    (test.prompt_tokens + test.generated_tokens);
  }

  void fill_to_depth() {
    for (int64_t i = 0; i < test_.sequence_count; ++i) read(i, 0, test_.depth);
  }

  // Seconds until the first token could be chosen, 0 without a prompt.
  double repeat() {
    const auto start = Clock::now();
    double first = 0;
    for (int64_t i = 0; i < test_.sequence_count && test_.prompt_tokens > 0; ++i) {
      read(i, test_.depth, test_.prompt_tokens);
      if (i == 0) first = seconds_since(start);
    }
    const int64_t begin = test_.depth + test_.prompt_tokens;
    for (int64_t i = 0; i < test_.generated_tokens; ++i) {
      run_.step(begin + i);
      advance(test_.sequence_count);
    }
    return first;
  }

  size_t cache_bytes() const { return run_.cache_bytes(); }

 private:
  void read(int64_t sequence, int64_t begin, int64_t count) {
    for (int64_t done = 0; done < count; done += test_.batch_tokens) {
      const int64_t rows = std::min(test_.batch_tokens, count - done);
      run_.read(sequence, begin + done, rows, done + rows == count);
      advance(rows);
    }
  }

  void advance(int64_t tokens) {
    done_ += tokens;
    report_progress(hooks_.progress, {.stage = name_,
                                      .done = static_cast<uint64_t>(done_),
                                      .total = static_cast<uint64_t>(total_),
                                      .unit = "tokens"});
  }

  const SpeedTest& test_;
  const SpeedHooks& hooks_;
  std::string name_;
  SpeedRun run_;
  int64_t done_ = 0;
  int64_t total_ = 0;
};

}  // namespace

std::string speed_test_name(const SpeedTest& test) {
  std::string name;
  if (test.prompt_tokens > 0) name = fmt::format("pp{}", test.prompt_tokens);
  if (test.generated_tokens > 0) {
    name += fmt::format("{}tg{}", name.empty() ? "" : "+", test.generated_tokens);
  }
  if (test.depth > 0) name += fmt::format("@d{}", test.depth);
  if (test.sequence_count > 1) name += fmt::format(" x{}", test.sequence_count);
  return name;
}

void check_speed_test(const ModelConfig& config, const SpeedTest& test) {
  const auto require = [](bool condition, const char* what) {
    if (!condition) throw Error(ErrorCode::kInvalidArgument, fmt::format("speed: {}", what));
  };
  require(test.prompt_tokens >= 0 && test.generated_tokens >= 0 && test.depth >= 0,
          "numbers of tokens must not be negative");
  require(test.prompt_tokens > 0 || test.generated_tokens > 0, "there is nothing to measure");
  require(test.sequence_count >= 1 && test.sequence_count <= 1024,
          "there must be 1 to 1024 sequences");
  require(test.repetitions >= 1, "there must be at least one repetition");
  require(test.batch_tokens >= 1, "batches must hold at least one token");
  // Each by itself first, so that the sum cannot overflow.
  const int64_t most = config.context_length;
  int64_t longest = std::max({test.prompt_tokens, test.generated_tokens, test.depth});
  if (longest <= most) longest = test.prompt_tokens + test.generated_tokens + test.depth;
  if (longest > most) {
    throw Error(
        ErrorCode::kInvalidArgument,
        fmt::format("speed: {} tokens do not fit the model's context of {}", longest, most));
  }
}

SampleStatistics sample_statistics(std::span<const double> samples) {
  MINIM_CHECK(!samples.empty());
  std::vector<double> sorted(samples.begin(), samples.end());
  std::sort(sorted.begin(), sorted.end());
  const auto count = static_cast<double>(sorted.size());
  const size_t middle = sorted.size() / 2;
  SampleStatistics statistics;
  statistics.mean = std::accumulate(sorted.begin(), sorted.end(), 0.0) / count;
  double squares = 0;
  for (const double value : sorted) {
    squares += (value - statistics.mean) * (value - statistics.mean);
  }
  statistics.standard_deviation = sorted.size() > 1 ? std::sqrt(squares / (count - 1)) : 0;
  statistics.median =
      sorted.size() % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  statistics.min = sorted.front();
  statistics.max = sorted.back();
  return statistics;
}

SpeedResult measure_speed(const Context& context, const std::shared_ptr<const Model>& model,
                          const SpeedTest& test, const SpeedHooks& hooks) {
  check_speed_test(model->config(), test);
  Measurement measurement(context, *model, test, hooks);
  measurement.fill_to_depth();
  measurement.repeat();  // brings weights and caches into memory
  SpeedResult result;
  const double tokens =
      static_cast<double>((test.prompt_tokens + test.generated_tokens) * test.sequence_count);
  const double joules_start = hooks.energy != nullptr ? hooks.energy->read().joules : 0;
  for (int64_t i = 0; i < test.repetitions; ++i) {
    const auto start = Clock::now();
    const double first = measurement.repeat();
    result.rates.push_back(tokens / seconds_since(start));
    if (test.prompt_tokens > 0) result.first_token_seconds.push_back(first);
  }
  if (hooks.energy != nullptr) {
    const Energy energy = hooks.energy->read();
    result.joules_per_token =
        (energy.joules - joules_start) / (tokens * static_cast<double>(test.repetitions));
    result.energy_source = energy.source;
  }
  result.cache_bytes = measurement.cache_bytes();
  const KvLayout layout = model->kv_layout(test.kv_type);
  const double seen = static_cast<double>(test.depth + test.prompt_tokens) +
                      static_cast<double>(test.generated_tokens) / 2;
  result.step_bytes = seen * static_cast<double>(layout.block_bytes()) / layout.block_tokens *
                      static_cast<double>(test.sequence_count);
  return result;
}

}  // namespace minim
