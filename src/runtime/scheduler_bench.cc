// What stepping sequences together wins: tokens a second of 1 to 16 that generate side by side; and
// what it costs: the gap between two tokens of one sequence while the prompt of another is read.
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "base/cpu.h"
#include "base/rng.h"
#include "base/thread_pool.h"
#include "formats/vocabulary.h"
#include "kernels/registry.h"
#include "model/presets.h"
#include "model/random_model.h"
#include "runtime/scheduler.h"
#include "runtime/scheduler_bench.h"
#include "tests/support/bench.h"

namespace minim::bench {
namespace {

double seconds_of_step(Scheduler& scheduler) {
  const auto start = std::chrono::steady_clock::now();
  scheduler.step();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 2];
}

struct Workload {
  std::string name;
  std::shared_ptr<const Model> model;
  std::shared_ptr<const Tokenizer> tokenizer;
  int64_t prompt_tokens;
  int64_t long_prompt_tokens;
  int steps;
};

JobRequest request_of(const Workload& workload, int64_t prompt_tokens, int64_t tokens_max,
                      uint64_t seed) {
  Rng rng(seed);
  JobRequest request;
  const auto vocabulary = static_cast<uint64_t>(workload.model->config().vocabulary_size);
  for (int64_t i = 0; i < prompt_tokens; ++i) {
    request.tokens.push_back(static_cast<TokenId>(rng.below(vocabulary)));
  }
  request.options.generator.tokens_max = tokens_max;
  request.options.generator.sampler.ignore_end = true;
  request.options.generator.sampler.seed = seed;
  request.events_max = 4096;
  return request;
}

void step_until_all_speak(Scheduler& scheduler, const std::vector<Job>& jobs) {
  const auto speaks = [](const Job& job) { return job.state() == JobState::kGenerating; };
  while (!std::all_of(jobs.begin(), jobs.end(), speaks)) scheduler.step();
}

// The counts of sequences in turn, and the whole several times, so that all see the same machine.
void compare_counts(const Context& context, const Workload& workload, int rounds) {
  const std::vector<int> counts = {1, 2, 4, 8, 16};
  std::vector<std::vector<double>> rates(counts.size());
  Scheduler scheduler(context, workload.model, workload.tokenizer, {.prefix_bytes_max = 0});
  for (int round = 0; round < rounds; ++round) {
    for (size_t i = 0; i < counts.size(); ++i) {
      std::vector<Job> jobs;
      for (int job = 0; job < counts[i]; ++job) {
        jobs.push_back(scheduler.submit(
            request_of(workload, workload.prompt_tokens, 2000, static_cast<uint64_t>(job))));
      }
      step_until_all_speak(scheduler, jobs);
      std::vector<double> seconds;
      for (int step = 0; step < workload.steps; ++step) {
        seconds.push_back(seconds_of_step(scheduler));
      }
      rates[i].push_back(counts[i] / median(seconds));
      jobs.clear();
      while (scheduler.step()) continue;
    }
  }
  for (size_t i = 0; i < counts.size(); ++i) {
    fmt::print("{:<20} {:3} sequences {:9.1f} token/s  x {:.2f}\n", workload.name, counts[i],
               median(rates[i]), median(rates[i]) / median(rates[0]));
  }
}

void measure_gaps(const Context& context, const Workload& workload) {
  for (const int64_t beside : {18, 32, 64, 128, 512}) {
    Scheduler scheduler(context, workload.model, workload.tokenizer,
                        {.batch_tokens = 1024,
                         .prompt_tokens_beside = beside,
                         .prompt_seconds_beside = 0,
                         .prefix_bytes_max = 0});
    std::vector<Job> jobs;
    jobs.push_back(scheduler.submit(request_of(workload, workload.prompt_tokens, 4000, 1)));
    step_until_all_speak(scheduler, jobs);
    std::vector<double> before;
    for (int step = 0; step < workload.steps; ++step) before.push_back(seconds_of_step(scheduler));
    const Job prompt = scheduler.submit(request_of(workload, workload.long_prompt_tokens, 0, 2));
    std::vector<double> during;
    double total = 0;
    while (prompt.state() != JobState::kEnded) {
      during.push_back(seconds_of_step(scheduler));
      total += during.back();
    }
    fmt::print(
        "{:<20} {:4} beside: gap {:7.2f} ms alone, {:7.2f} median, {:7.2f} most; prompt "
        "{:8.1f} token/s\n",
        workload.name, beside, median(before) * 1e3, median(during) * 1e3,
        *std::max_element(during.begin(), during.end()) * 1e3,
        static_cast<double>(workload.long_prompt_tokens) / total);
  }
}

void run_model(const Context& context, const Options& options, const char* preset, DataType type) {
  const std::string name = fmt::format("{} {}", preset, data_type_info(type).name);
  if (name.find(options.filter) == std::string::npos) return;
  const Path path =
      std::filesystem::temp_directory_path() /
      fmt::format("minim_scheduler_bench_{}.gguf", static_cast<const void*>(&options));
  write_random_model(context, preset_config(preset), path, {.type = type});
  const auto file = open_model_file(path);
  Workload workload = {.name = name,
                       .model = Model::load(context, file),
                       .tokenizer = Tokenizer::make(read_vocabulary(file->metadata())),
                       .prompt_tokens = options.tiny ? 4 : 32,
                       .long_prompt_tokens = options.tiny ? 40 : 1024,
                       .steps = options.tiny ? 2 : 48};
  std::filesystem::remove(path);  // the mapping stays
  compare_counts(context, workload, options.tiny ? 1 : 5);
  measure_gaps(context, workload);
}

}  // namespace

void run_scheduler_benchmarks(const Options& options) {
  ThreadPool threads(cpu_count());
  const Context context{threads, kernels::select_kernel_table_from_environment(), {}};
  run_model(context, options, "bench-15m", DataType::kF16);
  if (options.tiny) return;
  run_model(context, options, "bench-135m", DataType::kQ4_0);
  run_model(context, options, "bench-135m", DataType::kF16);
}

}  // namespace minim::bench
