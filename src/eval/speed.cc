#include "eval/speed.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <numeric>

#include "base/error.h"
#include "base/rng.h"
#include "runtime/kv_cache.h"

namespace minim {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

void check_options(const Model& model, const SpeedOptions& options) {
  const auto require = [](bool condition, const char* what) {
    if (!condition) throw Error(ErrorCode::kInvalidArgument, fmt::format("speed: {}", what));
  };
  require(options.prompt_tokens >= 0 && options.generated_tokens >= 0 && options.depth >= 0,
          "numbers of tokens must not be negative");
  require(options.prompt_tokens > 0 || options.generated_tokens > 0, "there is nothing to measure");
  require(options.sequence_count >= 1 && options.sequence_count <= 1024,
          "there must be 1 to 1024 sequences");
  require(options.repetitions >= 1, "there must be at least one repetition");
  require(options.batch_tokens >= 1, "batches must hold at least one token");
  const int64_t most = model.config().context_length;
  int64_t longest = std::max(options.prompt_tokens, options.generated_tokens);
  if (options.generated_tokens > 0) longest = std::max(longest, options.depth);
  if (options.generated_tokens > 0 && longest <= most) {
    longest = std::max(longest, options.depth + options.generated_tokens);
  }
  if (longest > most) {
    throw Error(
        ErrorCode::kInvalidArgument,
        fmt::format("speed: {} tokens do not fit the model's context of {}", longest, most));
  }
}

// Caches, and the buffers of one forward pass over all of them.
class Bench {
 public:
  Bench(const Context& context, const Model& model, const SpeedOptions& options)
      : context_(context),
        model_(model),
        options_(options),
        pool_(std::make_shared<KvPool>(model.kv_layout(options.kv_type))),
        rows_max_(
            std::max(std::min(options.batch_tokens, std::max(options.prompt_tokens, options.depth)),
                     options.sequence_count)),
        activations_(model.config(), rows_max_) {
    const int64_t slots =
        std::max({options.prompt_tokens, options.depth + options.generated_tokens, int64_t{1}});
    for (int64_t i = 0; i < options.sequence_count; ++i) caches_.emplace_back(pool_, slots);
    logits_.resize(static_cast<size_t>(options.sequence_count * model.config().vocabulary_size));
  }

  // Reads `count` tokens into the empty cache of one sequence.
  void read(int64_t sequence, int64_t count) {
    KvCache& cache = caches_[static_cast<size_t>(sequence)];
    cache.reserve(0, count);
    for (int64_t begin = 0; begin < count; begin += options_.batch_tokens) {
      const int64_t rows = std::min(options_.batch_tokens, count - begin);
      fill(rows);
      std::iota(positions_.begin(), positions_.end(), static_cast<int32_t>(begin));
      const SequenceChunk chunk{
          .begin = 0, .count = rows, .first_slot = begin, .cache = cache.view()};
      const auto last = static_cast<int32_t>(rows - 1);
      forward({&chunk, 1}, {&last, begin + rows == count ? size_t{1} : size_t{0}});
    }
  }

  // One more token for every sequence.
  void step(int64_t length) {
    const int64_t rows = options_.sequence_count;
    fill(rows);
    std::fill(positions_.begin(), positions_.end(), static_cast<int32_t>(length));
    outputs_.resize(static_cast<size_t>(rows));
    std::iota(outputs_.begin(), outputs_.end(), 0);
    chunks_.clear();
    for (int64_t i = 0; i < rows; ++i) {
      KvCache& cache = caches_[static_cast<size_t>(i)];
      cache.reserve(length, length + 1);
      chunks_.push_back({.begin = i, .count = 1, .first_slot = length, .cache = cache.view()});
    }
    forward(chunks_, outputs_);
  }

  size_t cache_bytes() const {
    size_t bytes = 0;
    for (const KvCache& cache : caches_) bytes += cache.bytes();
    return bytes;
  }

 private:
  void fill(int64_t rows) {
    tokens_.resize(static_cast<size_t>(rows));
    positions_.resize(static_cast<size_t>(rows));
    const auto vocabulary = static_cast<uint32_t>(model_.config().vocabulary_size);
    for (int32_t& token : tokens_) token = static_cast<int32_t>(rng_.below(vocabulary));
  }

  void forward(std::span<const SequenceChunk> chunks, std::span<const int32_t> outputs) {
    const int64_t width = model_.config().vocabulary_size;
    model_.forward(
        context_,
        {.tokens = tokens_, .positions = positions_, .chunks = chunks, .outputs = outputs},
        activations_, {logits_.data(), static_cast<int64_t>(outputs.size()), width, width});
  }

  const Context& context_;
  const Model& model_;
  const SpeedOptions& options_;
  std::shared_ptr<KvPool> pool_;
  int64_t rows_max_;
  Activations activations_;
  std::vector<KvCache> caches_;
  std::vector<float> logits_;
  std::vector<int32_t> tokens_;
  std::vector<int32_t> positions_;
  std::vector<int32_t> outputs_;
  std::vector<SequenceChunk> chunks_;
  Rng rng_{1};
};

}  // namespace

double SpeedSamples::median() const {
  std::vector<double> sorted = rates;
  std::sort(sorted.begin(), sorted.end());
  const size_t middle = sorted.size() / 2;
  return sorted.size() % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

double SpeedSamples::min() const { return *std::min_element(rates.begin(), rates.end()); }
double SpeedSamples::max() const { return *std::max_element(rates.begin(), rates.end()); }

SpeedResult measure_speed(const Context& context, const std::shared_ptr<const Model>& model,
                          const SpeedOptions& options, const ProgressSink& progress) {
  check_options(*model, options);
  Bench bench(context, *model, options);
  SpeedResult result;
  result.weight_bytes = model->weight_bytes();
  const auto report = [&](int64_t done) {
    report_progress(progress, {.stage = "measuring",
                               .done = static_cast<uint64_t>(done),
                               .total = static_cast<uint64_t>(options.repetitions + 1),
                               .unit = "runs"});
  };
  for (int64_t run = 0; run <= options.repetitions && options.prompt_tokens > 0; ++run) {
    const auto start = Clock::now();
    bench.read(0, options.prompt_tokens);
    const double seconds = seconds_since(start);
    if (run == 0) continue;  // brings weights and caches into memory
    result.prompt.rates.push_back(static_cast<double>(options.prompt_tokens) / seconds);
  }
  if (options.generated_tokens > 0) {
    for (int64_t i = 0; i < options.sequence_count; ++i) bench.read(i, options.depth);
  }
  for (int64_t run = 0; run <= options.repetitions && options.generated_tokens > 0; ++run) {
    report(run);
    const auto start = Clock::now();
    for (int64_t i = 0; i < options.generated_tokens; ++i) bench.step(options.depth + i);
    const double seconds = seconds_since(start);
    if (run == 0) continue;
    result.generation.rates.push_back(
        static_cast<double>(options.generated_tokens * options.sequence_count) / seconds);
  }
  report(options.repetitions + 1);
  result.cache_bytes = bench.cache_bytes();
  return result;
}

}  // namespace minim
