#include "eval/tuner.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <set>

#include "base/error.h"
#include "eval/sample_model.h"
#include "eval/speed.h"
#include "eval/speed_run.h"
#include "model/model.h"
#include "model/presets.h"

namespace minim {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kLayers = 3;           // more bytes than caches hold, few enough for some seconds
constexpr int64_t kDepth = 32;       // of the tokens that are generated
constexpr int64_t kSteps = 8;        // tokens a reading
constexpr int64_t kPrompt = 256;     // where threads are compared
constexpr int64_t kBatchMost = 512;  // and where batches are
constexpr double kNoise = 0.03;

// One number that is tried: what runs with it, and how many tokens that computes.
struct Trial {
  int64_t value = 0;
  int64_t tokens = 0;
  std::function<void()> run;
};

class Tuner {
 public:
  Tuner(const Context& context, const TunerOptions& options)
      : context_(context),
        options_(options),
        counts_(thread_candidates(context.threads.thread_count())),
        model_(Model::load(
            context,
            sample_model(model_shape(preset_config("nano-tiny"), DataType::kQ4_0), kLayers))) {
    const auto trials = 2 * static_cast<int64_t>(counts_.size()) + kBatches;
    readings_ = static_cast<uint64_t>(trials * (options.rounds + 1));
  }
  ~Tuner() { apply_tuning({}, context_.threads); }
  Tuner(const Tuner&) = delete;
  Tuner& operator=(const Tuner&) = delete;

  TuningReport run() {
    TuningReport report;
    report.generation_threads = time(generation_trials());
    report.best.generation_threads = static_cast<int>(choose_value(report.generation_threads));
    report.prompt_threads = time(prompt_trials());
    report.best.prompt_threads = static_cast<int>(choose_value(report.prompt_threads));
    apply_tuning(report.best, context_.threads);
    report.batch_tokens = time(batch_trials());
    report.best.batch_tokens = choose_value(report.batch_tokens);
    return report;
  }

 private:
  static constexpr int64_t kBatches = 4;  // from kBatchMost on, each half of the one before

  std::vector<Trial> generation_trials() {
    run_ = std::make_unique<SpeedRun>(context_, *model_,
                                      SpeedRunOptions{.slots = kDepth + kSteps, .batch_tokens = 1});
    run_->skip_to(kDepth);
    std::vector<Trial> trials;
    for (const int count : counts_) {
      trials.push_back({count, kSteps, [this, count] {
                          context_.threads.set_most(ThreadWork::kMemory, count);
                          for (int64_t i = 0; i < kSteps; ++i) run_->step(kDepth + i);
                        }});
    }
    return trials;
  }

  std::vector<Trial> prompt_trials() {
    run_ = std::make_unique<SpeedRun>(context_, *model_,
                                      SpeedRunOptions{.slots = kPrompt, .batch_tokens = kPrompt});
    std::vector<Trial> trials;
    for (const int count : counts_) {
      trials.push_back({count, kPrompt, [this, count] {
                          context_.threads.set_most(ThreadWork::kArithmetic, count);
                          run_->read(0, 0, kPrompt, true);
                        }});
    }
    return trials;
  }

  std::vector<Trial> batch_trials() {
    run_ = std::make_unique<SpeedRun>(
        context_, *model_, SpeedRunOptions{.slots = kBatchMost, .batch_tokens = kBatchMost});
    std::vector<Trial> trials;
    for (int64_t batch = kBatchMost >> (kBatches - 1); batch <= kBatchMost; batch *= 2) {
      trials.push_back({batch, kBatchMost, [this, batch] {
                          for (int64_t begin = 0; begin < kBatchMost; begin += batch) {
                            run_->read(0, begin, batch, begin + batch == kBatchMost);
                          }
                        }});
    }
    return trials;
  }

  // The first round brings memory in and does not count.
  std::vector<TunedValue> time(const std::vector<Trial>& trials) {
    std::vector<std::vector<double>> rates(trials.size());
    for (int round = 0; round <= options_.rounds; ++round) {
      for (size_t i = 0; i < trials.size(); ++i) {
        const auto start = Clock::now();
        trials[i].run();
        const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
        if (round > 0) rates[i].push_back(static_cast<double>(trials[i].tokens) / seconds);
        report_progress(options_.progress, {"tuning", ++done_, readings_, "readings"});
      }
    }
    std::vector<TunedValue> values;
    for (size_t i = 0; i < trials.size(); ++i) {
      values.push_back({trials[i].value, sample_statistics(rates[i]).median});
    }
    return values;
  }

  const Context& context_;
  const TunerOptions& options_;
  const std::vector<int> counts_;
  const std::shared_ptr<const Model> model_;
  std::unique_ptr<SpeedRun> run_;
  uint64_t done_ = 0;
  uint64_t readings_ = 0;
};

}  // namespace

std::vector<int> thread_candidates(int count) {
  constexpr int kAllUpTo = 8;
  std::set<int> counts = {count};
  if (count <= kAllUpTo) {
    for (int i = 1; i < count; ++i) counts.insert(i);
  } else {
    for (int i = 1; i < count; i *= 2) counts.insert(i);
    counts.insert({count / 2, count * 3 / 4});
  }
  return {counts.begin(), counts.end()};
}

int64_t choose_value(const std::vector<TunedValue>& values) {
  MINIM_CHECK(!values.empty());
  double best = 0;
  for (const TunedValue& each : values) best = std::max(best, each.tokens_per_second);
  for (const TunedValue& each : values) {
    if (each.tokens_per_second >= best * (1 - kNoise)) return each.value;
  }
  return values.back().value;
}

TuningReport find_tuning(const Context& context, const TunerOptions& options) {
  MINIM_CHECK(options.rounds >= 1);
  return Tuner(context, options).run();
}

}  // namespace minim
