#include "eval/forecast.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <numeric>
#include <vector>

#include "base/error.h"
#include "eval/speed_run.h"
#include "model/model.h"

namespace minim {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kReadings = 7;  // of a token
constexpr int kPromptReadings = 3;
constexpr double kPromptSeconds = 4;  // no further reading after that

template <typename Body>
double seconds_of(const Body& body) {
  const auto start = Clock::now();
  body();
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Not the median: whoever runs the model bears what disturbs it, too.
double average(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

void check_options(const ModelConfig& config, const ForecastOptions& options) {
  const int64_t most = config.context_length;
  if (options.depth < 0 || options.depth >= most) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("forecast: {} tokens before the next do not fit the model's context "
                            "of {}",
                            options.depth, most));
  }
  if (options.generated_tokens < 1) {
    throw Error(ErrorCode::kInvalidArgument, "forecast: at least one token must be generated");
  }
  if (options.prompt_tokens < 1 || options.prompt_tokens > std::min<int64_t>(most, 4096)) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("forecast: a prompt of {} tokens; 1 to {} can be forecast",
                            options.prompt_tokens, std::min<int64_t>(most, 4096)));
  }
}

std::shared_ptr<const Model> load_sample(const Context& context, const ModelShape& shape,
                                         const ForecastOptions& options, int layers) {
  return Model::load(context, sample_model(shape, layers), {.precision = options.precision});
}

int sample_layers(const ModelShape& shape, double share) {
  const int all = shape.config.layer_count;
  return std::clamp(static_cast<int>(share * all), 1, all);
}

// Of one generated token. Where layers are missing, what a layer takes is told from a token without
// the head.
double token_seconds(const Context& context, const ModelShape& shape,
                     const ForecastOptions& options) {
  const int layers = sample_layers(shape, static_cast<double>(options.sample_bytes_max) /
                                              std::max(shape.layer_weight_bytes(), 1.0));
  const auto model = load_sample(context, shape, options, layers);
  const int64_t room = shape.config.context_length - options.depth;
  const int64_t most = std::min(options.generated_tokens, room);
  SpeedRun run(context, *model,
               {.slots = options.depth + most, .batch_tokens = 1, .kv_type = options.cache_type});
  const int64_t middle = options.depth + most / 2;
  run.skip_to(middle);
  run.step(middle);  // brings weights in and threads up
  const double once = seconds_of([&] { run.step(middle); });
  const auto steps = std::clamp<int64_t>(
      static_cast<int64_t>(options.reading_seconds / std::max(once, 1e-6)), 1, most);
  const int64_t begin = options.depth + (most - steps) / 2;
  const double count = static_cast<double>(steps);
  const bool whole = layers == shape.config.layer_count;
  std::vector<double> full, hidden;
  for (int reading = 0; reading < kReadings; ++reading) {
    full.push_back(seconds_of([&] {
                     for (int64_t i = 0; i < steps; ++i) run.step(begin + i);
                   }) /
                   count);
    if (whole) continue;
    hidden.push_back(seconds_of([&] {
                       for (int64_t i = 0; i < steps; ++i) run.step_hidden(begin + i);
                     }) /
                     count);
  }
  if (whole) return average(full);
  const double layer = average(hidden) / layers;
  return average(full) + layer * (shape.config.layer_count - layers);
}

// Seconds of one prompt, and of it again on a model with more layers.
struct PromptTimes {
  double few = 0;
  double more = 0;
};

PromptTimes prompt_times(const Context& context, const Model& few, const Model* more,
                         const ForecastOptions& options) {
  const int64_t tokens = options.prompt_tokens;
  const SpeedRunOptions run_options = {
      .slots = tokens, .batch_tokens = tokens, .kv_type = options.cache_type};
  SpeedRun run_few(context, few, run_options);
  std::unique_ptr<SpeedRun> run_more;
  if (more != nullptr) run_more = std::make_unique<SpeedRun>(context, *more, run_options);
  std::vector<double> of_few, of_more;
  double spent = 0;
  for (int reading = 0; reading <= kPromptReadings; ++reading) {
    if (reading > 1 && spent > kPromptSeconds) break;
    const double first = seconds_of([&] { run_few.read(0, 0, tokens, true); });
    const double second = run_more ? seconds_of([&] { run_more->read(0, 0, tokens, true); }) : 0;
    spent += first + second;
    if (reading == 0) continue;  // brings memory in
    of_few.push_back(first);
    of_more.push_back(second);
  }
  return {average(of_few), average(of_more)};
}

// The last layer of a prompt computes less than the others, so that two models are needed to tell
// what a layer takes where there are too many to time them all.
double prompt_seconds(const Context& context, const ModelShape& shape,
                      const ForecastOptions& options) {
  const int all = shape.config.layer_count;
  const double products = shape.layer_weight_count() * static_cast<double>(options.prompt_tokens);
  const double products_max = options.prompt_weights_max * 512;
  if (products <= products_max || all < 4) {
    const auto model = load_sample(context, shape, options, all);
    return prompt_times(context, *model, nullptr, options).few;
  }
  const int more = std::clamp(sample_layers(shape, products_max / products), 2, all);
  const auto few_model = load_sample(context, shape, options, 1);
  const auto more_model = load_sample(context, shape, options, more);
  const PromptTimes times = prompt_times(context, *few_model, more_model.get(), options);
  const double layer = std::max((times.more - times.few) / (more - 1), 0.0);
  return times.more + layer * (all - more);
}

}  // namespace

Forecast forecast_speed(const Context& context, const ModelShape& shape,
                        const ForecastOptions& options) {
  check_options(shape.config, options);
  const KvLayout layout{options.cache_type, shape.config.layer_count, shape.config.kv_head_count,
                        shape.config.head_dim};
  const double token = token_seconds(context, shape, options);
  const double prompt = prompt_seconds(context, shape, options);
  return {.generation_tokens_per_second = 1 / token,
          .prompt_tokens_per_second = static_cast<double>(options.prompt_tokens) / prompt,
          .token_bytes = shape.token_weight_bytes() +
                         static_cast<double>(options.depth) *
                             static_cast<double>(layout.block_bytes()) / layout.block_tokens};
}

}  // namespace minim
