// Whole models: tokens a second in decoding, alone and side by side, and in reading a prompt; and
// what it takes to open an adapter and to give it to a sequence.
#include <fmt/core.h>

#include <filesystem>
#include <string>
#include <vector>

#include "base/cpu.h"
#include "model/adapter/adapter.h"
#include "model/presets.h"
#include "model/random_model.h"
#include "model/testing/random_adapter.h"
#include "model/testing/sequence.h"
#include "tests/support/bench.h"

namespace minim::bench {
namespace {

using testing::forward_all;
using testing::TestChunk;
using testing::TestSequence;

struct Workload {
  std::string name;
  int64_t sequence_count;
  int64_t rows_per_sequence;
  int64_t depth;  // tokens already in each cache
};

Case make_case(const Context& context, const Model& model, const Workload& workload) {
  auto sequences = std::make_shared<std::vector<std::unique_ptr<TestSequence>>>();
  auto chunks = std::make_shared<std::vector<TestChunk>>();
  const std::vector<int32_t> prefix(static_cast<size_t>(workload.depth), 300);
  for (int64_t i = 0; i < workload.sequence_count; ++i) {
    sequences->push_back(std::make_unique<TestSequence>(
        model, workload.depth + workload.rows_per_sequence, 32, DataType::kF16));
    if (!prefix.empty()) forward_all(context, model, *sequences->back(), prefix);
    const auto rows = static_cast<size_t>(workload.rows_per_sequence);
    chunks->push_back({sequences->back().get(), std::vector<int32_t>(rows, 301)});
  }
  const auto rows = static_cast<double>(workload.sequence_count * workload.rows_per_sequence);
  return {workload.name, rows, "token", [&context, &model, sequences, chunks, workload] {
            for (auto& sequence : *sequences) sequence->length = workload.depth;
            forward_all(context, model, *chunks);
          }};
}

// Of rank 16, over every matrix.
void add_adapter_cases(const Context& context, const std::string& name,
                       const std::shared_ptr<const Model>& model, const ModelFile& file,
                       std::vector<Case>& cases) {
  for (const bool magnitudes : {false, true}) {
    const auto parts =
        std::make_shared<const AdapterFile>(testing::random_adapter(file, 1, magnitudes, 16));
    const std::string kind = name + (magnitudes ? " DoRA" : " LoRA");
    cases.push_back({kind + " opened", 1, "adapter",
                     [&context, model, parts] { Adapter::load(context, model, *parts); }});
    const auto adapter = Adapter::load(context, model, *parts);
    cases.push_back({kind + " given", 1, "adapter", [adapter] {
                       const AdapterSet set(std::vector<AdapterSet::Use>{{adapter, 1.0f}});
                     }});
  }
}

void run_model(const Context& context, const Options& options, const char* preset, DataType type) {
  const Path path = std::filesystem::temp_directory_path() /
                    fmt::format("minim_bench_{}.gguf", static_cast<const void*>(&options));
  RandomModelOptions random;
  random.type = type;
  write_random_model(context, preset_config(preset), path, random);
  const auto file = open_model_file(path);
  const auto model = Model::load(context, file);
  std::filesystem::remove(path);  // the mapping stays
  const std::string name = fmt::format("{} {}", preset, data_type_info(type).name);
  std::vector<Workload> workloads = {{name + " decode", 1, 1, options.tiny ? 4 : 128},
                                     {name + " decode 8 sequences", 8, 1, options.tiny ? 4 : 128},
                                     {name + " prompt", 1, options.tiny ? 8 : 256, 0}};
  std::vector<Case> cases;
  for (const Workload& workload : workloads) {
    cases.push_back(make_case(context, *model, workload));
  }
  add_adapter_cases(context, name, model, *file, cases);
  run_cases(options, cases);
}

void run(const Options& options) {
  ThreadPool threads(cpu_count());
  const Context context{threads, kernels::select_kernel_table_from_environment(), {}};
  run_model(context, options, "bench-15m", DataType::kF16);
  if (options.tiny) return;
  run_model(context, options, "bench-135m", DataType::kQ4_0);
  run_model(context, options, "bench-135m", DataType::kQ8_0);
}

}  // namespace
}  // namespace minim::bench

int main(int argc, char** argv) { minim::bench::run(minim::bench::parse_options(argc, argv)); }
