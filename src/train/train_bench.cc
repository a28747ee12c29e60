// train_bench: steps of training at several sizes, in tokens a second and as a share of what the
// processor multiplies at best, read in turns with the steps. MINIM_CPU chooses the kernels,
// MINIM_THREADS the threads.
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/cpu.h"
#include "kernels/registry.h"
#include "tests/support/bench.h"
#include "train/memory_plan.h"
#include "train/testing/memory_source.h"
#include "train/trainer.h"

namespace minim::bench {
namespace {

using train::StepStatistics;
using train::TrainerOptions;
using Clock = std::chrono::steady_clock;

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

void run_size(const Context& context, const Options& options, const Size& size,
              train::OptimizerKind optimizer, GemmPrecision precision) {
  const std::string name = fmt::format("{} {} {}", size.name,
                                       optimizer == train::OptimizerKind::kMuon ? "muon" : "adamw",
                                       precision == GemmPrecision::kFloat32 ? "float" : "bf16");
  if (name.find(options.filter) == std::string::npos) return;
  const ModelConfig config = config_of(size);
  train::TrainModel model(context, config, {}, {});
  const train::testing::CountingSource source(size.row_tokens, size.vocabulary);
  TrainerOptions trainer_options;
  trainer_options.batch_rows = size.rows;
  trainer_options.schedule.step_count = options.tiny ? 2 : 6;
  trainer_options.optimizer.kind = optimizer;
  trainer_options.precision = precision;
  const train::MemoryPlan plan =
      train::plan_memory(context, config, {}, trainer_options, size.row_tokens);
  train::NextTokenLoss loss(0.0f);
  train::Trainer trainer(context, model, source, nullptr, loss, trainer_options);
  std::vector<double> speeds;
  std::vector<double> shares;
  trainer.run({.step = [&](const StepStatistics& step) {
    if (step.step == 1 && !options.tiny) return true;  // makes its memory
    speeds.push_back(static_cast<double>(step.batch_tokens) / step.seconds);
    shares.push_back(step.flops / step.seconds / peak(context, precision, options.tiny));
    return true;
  }});
  std::printf("%-18s %6.1fM weights %9.0f tokens/s %5.1f %% of the peak, plan %6.0f MiB\n",
              name.c_str(), static_cast<double>(model.parameters().parameter_count()) * 1e-6,
              median(speeds), 100 * median(shares), static_cast<double>(plan.total()) / (1 << 20));
  std::fflush(stdout);
}

void run_all(const Context& context, const Options& options) {
  std::vector<Size> sizes(std::begin(kSizes), std::end(kSizes));
  if (options.tiny) sizes = {kTiny};
  for (const Size& size : sizes) {
    for (const auto optimizer : {train::OptimizerKind::kAdamW, train::OptimizerKind::kMuon}) {
      run_size(context, options, size, optimizer, GemmPrecision::kFloat32);
      if (has_bfloat16_gemm(context)) {
        run_size(context, options, size, optimizer, GemmPrecision::kBfloat16);
      }
    }
  }
}

}  // namespace
}  // namespace minim::bench

int main(int argc, char** argv) {
  const auto options = minim::bench::parse_options(argc, argv);
  const char* threads = std::getenv("MINIM_THREADS");
  minim::ThreadPool pool(threads != nullptr ? std::max(1, std::atoi(threads)) : minim::cpu_count());
  const minim::Context context{pool, minim::kernels::select_kernel_table_from_environment(), {}};
  std::printf("%s kernels, %d threads: %.0f GFLOP/s in float\n",
              minim::instruction_set_name(context.kernels.set), pool.thread_count(),
              minim::bench::peak(context, minim::GemmPrecision::kFloat32, options.tiny) * 1e-9);
  minim::bench::run_all(context, options);
  return 0;
}
