// bench_train: steps of training at several sizes, in tokens a second, as a share of what the
// processor multiplies at best (read in turns with the steps), beside the memory that was planned,
// and beside PyTorch where there is one. MINIM_CPU chooses the kernels.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "base/cpu.h"
#include "base/error.h"
#include "base/process_memory.h"
#include "bench/speed/process.h"
#include "kernels/registry.h"
#include "train/memory_plan.h"
#include "train/testing/memory_source.h"
#include "train/trainer.h"

namespace minim::bench {
namespace {

using train::StepStatistics;
using train::TrainerOptions;
using Clock = std::chrono::steady_clock;

struct BenchOptions {
  bool tiny = false;
  std::string filter;
  int threads = cpu_count();
  int rounds = 3;
  std::string torch;  // Python that has PyTorch; empty: no peer
  std::string torch_script;
};

// Qwen 3 with tied embeddings.
struct Size {
  const char* name;
  int layers;
  int dim;
  int heads;
  int kv_heads;
  int ffn_dim;
  int vocabulary;
  int64_t rows;
  int64_t row_tokens;
};
constexpr Size kSizes[] = {
    {"1M", 4, 128, 4, 2, 384, 1024, 16, 256},
    {"10M", 6, 384, 6, 2, 1024, 4096, 16, 256},
    {"30M", 8, 512, 8, 4, 1536, 8192, 8, 256},
    {"124M", 12, 768, 12, 4, 2304, 50304, 4, 64},
};
constexpr Size kTiny = {"tiny", 2, 32, 2, 1, 64, 64, 2, 16};

ModelConfig config_of(const Size& size) {
  ModelConfig config;
  config.architecture = "qwen3";
  config.layer_count = size.layers;
  config.dim = size.dim;
  config.head_count = size.heads;
  config.kv_head_count = size.kv_heads;
  config.head_dim = size.dim / size.heads;
  config.ffn_dim = size.ffn_dim;
  config.vocabulary_size = size.vocabulary;
  config.context_length = size.row_tokens;
  config.tied_embeddings = true;
  config.rope.dimension_count = config.head_dim;
  config.rope.original_context_length = size.row_tokens;
  config.attention_scale = 1.0f / std::sqrt(static_cast<float>(config.head_dim));
  return config;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// Operations a second in vector registers, all threads.
double peak(const Context& context, GemmPrecision precision, bool tiny) {
  const auto probe = precision == GemmPrecision::kFloat32 ? context.kernels.probe_products
                                                          : context.kernels.bfloat16.probe_products;
  const int64_t steps = tiny ? 1000 : 3000000;
  const int threads = context.threads.thread_count();
  const auto start = Clock::now();
  std::vector<int64_t> operations(static_cast<size_t>(threads));
  context.threads.run(
      threads, [&](int64_t thread) { operations[static_cast<size_t>(thread)] = probe(steps); });
  double sum = 0;
  for (const int64_t each : operations) sum += static_cast<double>(each);
  return sum / std::chrono::duration<double>(Clock::now() - start).count();
}

// Tokens a second of PyTorch's steps, appended.
void run_torch(const BenchOptions& options, const Size& size, GemmPrecision precision,
               std::vector<double>& speeds) {
  std::vector<std::string> arguments = {options.torch, options.torch_script};
  for (const int64_t number :
       {int64_t{size.layers}, int64_t{size.dim}, int64_t{size.heads}, int64_t{size.kv_heads},
        int64_t{size.ffn_dim}, int64_t{size.vocabulary}, size.rows, size.row_tokens}) {
    arguments.push_back(fmt::format("{}", number));
  }
  arguments.push_back(precision == GemmPrecision::kFloat32 ? "fp32" : "bf16");
  arguments.push_back(fmt::format("{}", options.threads));
  arguments.push_back("3");
  const ProcessResult result = run_process(arguments);
  if (const std::string failure = failure_of(result); !failure.empty()) {
    throw Error(ErrorCode::kIo, fmt::format("bench: {}: {}", options.torch_script, failure));
  }
  std::istringstream lines(result.output);
  double seconds = 0;
  while (lines >> seconds) {
    speeds.push_back(static_cast<double>(size.rows * size.row_tokens) / seconds);
  }
}

struct Run {
  std::vector<double> speeds;  // tokens a second
  std::vector<double> shares;  // of the peak
  std::vector<double> torch;   // tokens a second
  double weights = 0;
  double planned = 0;  // bytes
  std::optional<double> used;
};

Run run_size(const Context& context, const BenchOptions& options, const Size& size,
             train::OptimizerKind optimizer, GemmPrecision precision, bool with_torch) {
  Run run;
  const auto before = reset_peak_resident() ? resident_bytes() : std::nullopt;
  const ModelConfig config = config_of(size);
  train::TrainModel model(context, config, {}, {});
  const train::testing::CountingSource source(size.row_tokens, size.vocabulary);
  TrainerOptions trainer_options;
  trainer_options.batch_rows = size.rows;
  // The first makes its memory.
  const int64_t steps = options.tiny ? 2 : 1 + 3 * options.rounds;
  trainer_options.schedule.step_count = steps;
  trainer_options.schedule.warmup_steps = 1;
  trainer_options.optimizer.kind = optimizer;
  trainer_options.precision = precision;
  run.planned = static_cast<double>(
      train::plan_memory(context, config, {}, trainer_options, size.row_tokens).total());
  run.weights = static_cast<double>(model.parameters().parameter_count());
  train::NextTokenLoss loss(0.0f);
  train::Trainer trainer(context, model, source, nullptr, loss, trainer_options);
  trainer.run({.step = [&](const StepStatistics& step) {
    if (step.step == 1) return true;
    run.speeds.push_back(static_cast<double>(step.batch_tokens) / step.seconds);
    run.shares.push_back(step.flops / step.seconds / peak(context, precision, options.tiny));
    if (with_torch && step.step % 3 == 1) run_torch(options, size, precision, run.torch);
    return true;
  }});
  const auto after = peak_resident_bytes();
  if (before && after) run.used = static_cast<double>(*after) - static_cast<double>(*before);
  return run;
}

void print_run(const std::string& name, const Run& run) {
  constexpr double kMebibyte = 1 << 20;
  std::string line =
      fmt::format("| {} | {:.1f}M | {:.0f} | {:.0f} % | {:.0f} |", name, run.weights * 1e-6,
                  median(run.speeds), 100 * median(run.shares), run.planned / kMebibyte);
  line += run.used ? fmt::format(" {:.0f} ({:+.0f} %) |", *run.used / kMebibyte,
                                 100 * (*run.used / run.planned - 1))
                   : " |";
  line += run.torch.empty() ? " |"
                            : fmt::format(" {:.0f} ({:.2f}x) |", median(run.torch),
                                          median(run.speeds) / median(run.torch));
  fmt::print("{}\n", line);
  std::fflush(stdout);
}

void run_all(const Context& context, const BenchOptions& options) {
  std::vector<Size> sizes(std::begin(kSizes), std::end(kSizes));
  if (options.tiny) sizes = {kTiny};
  std::vector<GemmPrecision> precisions = {GemmPrecision::kFloat32};
  if (has_bfloat16_gemm(context)) precisions.push_back(GemmPrecision::kBfloat16);
  fmt::print(
      "| model | weights | tokens/s | of the peak | MiB planned | MiB used | PyTorch |\n"
      "|---|---:|---:|---:|---:|---:|---:|\n");
  for (const Size& size : sizes) {
    for (const auto optimizer : {train::OptimizerKind::kAdamW, train::OptimizerKind::kMuon}) {
      const bool is_muon = optimizer == train::OptimizerKind::kMuon;
      for (const GemmPrecision precision : precisions) {
        const std::string name =
            fmt::format("{} {} {}", size.name, is_muon ? "muon" : "adamw",
                        precision == GemmPrecision::kFloat32 ? "fp32" : "bf16");
        if (name.find(options.filter) == std::string::npos) continue;
        const bool with_torch = !options.torch.empty() && !is_muon;
        print_run(name, run_size(context, options, size, optimizer, precision, with_torch));
      }
    }
  }
}

int run(const BenchOptions& options) {
  ThreadPool pool(options.threads);
  const Context context{pool, kernels::select_kernel_table_from_environment(), {}};
  fmt::print("{} kernels, {} threads: {:.0f} GFLOP/s in float\n\n",
             instruction_set_name(context.kernels.set), pool.thread_count(),
             peak(context, GemmPrecision::kFloat32, options.tiny) * 1e-9);
  run_all(context, options);
  return 0;
}

}  // namespace
}  // namespace minim::bench

int main(int argc, char** argv) {
  minim::bench::BenchOptions options;
  options.torch_script = TORCH_SCRIPT;
  CLI::App app("Steps of training, beside the processor's peak, the planned memory, and PyTorch");
  app.add_flag("--tiny", options.tiny, "Two steps of a tiny model: shows that it works");
  app.add_option("--filter", options.filter, "Runs whose name contains this, as '10M adamw'");
  app.add_option("-t,--threads", options.threads, "Threads")->check(CLI::Range(1, 1024));
  app.add_option("--rounds", options.rounds, "Rounds of three steps, each engine in turn")
      ->check(CLI::Range(1, 1000));
  app.add_option("--torch", options.torch, "A Python that has PyTorch, to be compared with")
      ->envname("MINIM_PEER_TORCH");
  CLI11_PARSE(app, argc, argv);
  try {
    return minim::bench::run(options);
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_train: {}\n", error.what());
    return 1;
  }
}
