// `minim doctor`: what this machine offers, and what a model would need of it and how fast it would
// be, before it is loaded.
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/cpu.h"
#include "base/error.h"
#include "base/json.h"
#include "base/machine.h"
#include "cli/command.h"
#include "cli/engine.h"
#include "cli/exit_code.h"
#include "cli/governor_options.h"
#include "cli/model_memory.h"
#include "cli/power_report.h"
#include "cli/terminal.h"
#include "eval/forecast.h"
#include "eval/limits.h"
#include "kernels/registry.h"
#include "model/memory.h"
#include "model/presets.h"

namespace minim::cli {
namespace {

constexpr int64_t kContextTokens = 4096;  // where --context is not given
constexpr std::array<const char*, 2> kVariables = {"MINIM_CPU", "MINIM_THREADS"};

struct Options {
  std::string model;
  std::string tokenizer;
  std::optional<DataType> type;
  int64_t context_tokens = 0;
  int64_t depth = 0;
  DataType cache_type = DataType::kF16;
  EngineOptions engine;
  GovernorOptions governor;
  std::string root = "/";  // where /proc and /sys are
  bool json = false;
};

struct ModelReport {
  std::string name;
  uint64_t parameters = 0;
  int64_t context_tokens = 0;
  ModelMemory memory;
  Forecast speed;
};

struct Report {
  Machine machine;
  Limits limits;
  std::vector<std::string> supported;
  PowerReport power;
  std::optional<ModelReport> model;
  std::vector<std::string> warnings;
};

ModelReport examine(const Options& options, const Engine& engine, const Machine& machine) {
  ModelReport report = {.name = options.model};
  ModelShape shape;
  MemoryEstimate estimate;
  const MemoryOptions memory_options = {.cache_type = options.cache_type};
  if (options.type) {
    shape = model_shape(preset_config(options.model), *options.type);
    estimate = estimate_memory(shape.config, *options.type, memory_options);
    report.name += fmt::format(" as {}", data_type_info(*options.type).name);
  } else {
    const auto file = open_model({options.model, options.tokenizer});
    shape = model_shape(*file);
    estimate = estimate_memory(*file, memory_options);
  }
  const int64_t most = shape.config.context_length;
  report.context_tokens =
      options.context_tokens > 0 ? options.context_tokens : std::min(most, kContextTokens);
  if (report.context_tokens > most) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("doctor: a context of {} tokens, where the model has room for {}",
                            report.context_tokens, most));
  }
  report.parameters = parameter_count(shape.config);
  report.speed = forecast_speed(engine.context(), shape,
                                {.depth = options.depth,
                                 .prompt_tokens = std::min<int64_t>(512, most),
                                 .cache_type = options.cache_type,
                                 .precision = engine.precision()});
  report.memory = examine_memory(estimate, report.context_tokens, machine);
  return report;
}

std::string bytes_text(uint64_t bytes) { return format_bytes(static_cast<double>(bytes)); }

std::vector<std::string> find_warnings(const Report& report, const Engine& engine) {
  std::vector<std::string> warnings = report.power.warnings;
  const Machine& machine = report.machine;
  const char* chosen = instruction_set_name(engine.context().kernels.set);
  if (machine.emulated) {
    warnings.push_back(
        "this processor is emulated, and many times slower than a real one; give the virtual "
        "machine hardware support (KVM) and the host's processor");
  }
  if (report.supported.back() != chosen) {
    warnings.push_back(
        fmt::format("MINIM_CPU chooses {}, but this machine can do {}; unset MINIM_CPU for speed",
                    chosen, report.supported.back()));
  } else if (report.supported.size() == 1) {
    warnings.push_back(
        "this processor has none of the vector instructions that minim knows; expect little speed");
  }
  if (engine.context().threads.thread_count() > cpu_count()) {
    warnings.push_back(fmt::format("{} threads share {} processors; --threads {} is faster",
                                   engine.context().threads.thread_count(), cpu_count(),
                                   cpu_count()));
  }
  if (machine.huge_pages == "never" || machine.huge_pages.empty()) {
    warnings.push_back(
        "weights get small pages, which costs some speed; as root: echo madvise > "
        "/sys/kernel/mm/transparent_hugepage/enabled");
  }
  if (machine.memory_bytes == 0) {
    warnings.push_back("/proc/meminfo cannot be read, so whether a model fits is not known");
  }
  if (machine.memory_limit_bytes) {
    warnings.push_back(fmt::format(
        "a container limits memory to {} of this machine's {}; raise its limit for larger models",
        bytes_text(*machine.memory_limit_bytes), bytes_text(machine.memory_bytes)));
  }
  if (report.model && !report.model->memory.fits) {
    warnings.push_back(fmt::format(
        "the model wants {}, and {} are available; use fewer bits a weight (minim "
        "quantize), a shorter --context or --cache-type q8_0, or close programs",
        bytes_text(report.model->memory.total_bytes), bytes_text(machine.available_bytes)));
  }
  return warnings;
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

std::string caches_text(const Machine& machine) {
  std::string text;
  for (const CpuCache& cache : machine.caches) {
    if (cache.kind == "Instruction") continue;
    text += fmt::format("{}L{} {} KiB", text.empty() ? "" : ", ", cache.level, cache.bytes >> 10);
  }
  return text.empty() ? "unknown" : text;
}

void print_machine(const Report& report, const Engine& engine) {
  const Machine& machine = report.machine;
  const Limits& limits = report.limits;
  fmt::print("machine\n  processor     {}, {} available\n", cpu_model_name(), cpu_count());
  fmt::print("  kernels       {}, of {}\n", instruction_set_name(engine.context().kernels.set),
             joined(report.supported));
  fmt::print("  threads       {}\n  caches        {}\n", engine.context().threads.thread_count(),
             caches_text(machine));
  fmt::print("  memory        {}, {} available\n", bytes_text(machine.memory_bytes),
             bytes_text(machine.available_bytes));
  fmt::print("  huge pages    {}\n", machine.huge_pages.empty() ? "unknown" : machine.huge_pages);
  fmt::print("  reads memory  {:.1f} GB/s\n", limits.bytes_per_second * 1e-9);
  fmt::print("  multiplies    {:.0f} GOP/s in bytes, {:.0f} in bfloat16, {:.0f} in float\n",
             limits.int8_operations * 1e-9, limits.bfloat16_operations * 1e-9,
             limits.float_operations * 1e-9);
  for (const char* name : kVariables) {
    if (const char* value = std::getenv(name)) fmt::print("  {:<13} {}\n", name, value);
  }
}

void print_model(const ModelReport& model, const Options& options) {
  fmt::print("\nmodel {}, {} weights\n", model.name,
             format_count(static_cast<double>(model.parameters)));
  fmt::print("  {}: it takes {} with {} tokens of context\n",
             model.memory.fits ? "fits" : "does not fit", bytes_text(model.memory.total_bytes),
             model.context_tokens);
  fmt::print(
      "    weights     {}\n    cache       {}, {} a token in {}\n    scratch     {}\n"
      "    program     {}\n",
      bytes_text(model.memory.estimate.weight_bytes), bytes_text(model.memory.cache_bytes),
      bytes_text(model.memory.estimate.kv_bytes_per_token), data_type_info(options.cache_type).name,
      bytes_text(model.memory.estimate.activation_bytes), bytes_text(model.memory.program_bytes));
  fmt::print(
      "  expected speed\n    generation  {:.1f} tokens/s after {} tokens: {} read for each\n",
      model.speed.generation_tokens_per_second, options.depth,
      format_bytes(model.speed.token_bytes));
  fmt::print("    prompt      {:.1f} tokens/s\n", model.speed.prompt_tokens_per_second);
}

OrderedJson model_json(const ModelReport& model, const Options& options) {
  return {{"name", model.name},
          {"parameters", model.parameters},
          {"fits", model.memory.fits},
          {"context_tokens", model.context_tokens},
          {"cache_type", data_type_info(options.cache_type).name},
          {"total_bytes", model.memory.total_bytes},
          {"weight_bytes", model.memory.estimate.weight_bytes},
          {"cache_bytes", model.memory.cache_bytes},
          {"cache_bytes_per_token", model.memory.estimate.kv_bytes_per_token},
          {"scratch_bytes", model.memory.estimate.activation_bytes},
          {"program_bytes", model.memory.program_bytes},
          {"depth", options.depth},
          {"bytes_per_generated_token", model.speed.token_bytes},
          {"generated_tokens_per_second", model.speed.generation_tokens_per_second},
          {"prompt_tokens_per_second", model.speed.prompt_tokens_per_second}};
}

void print_json(const Report& report, const Engine& engine, const Options& options) {
  const Machine& machine = report.machine;
  OrderedJson caches = OrderedJson::array();
  for (const CpuCache& cache : machine.caches) {
    caches.push_back({{"level", cache.level}, {"kind", cache.kind}, {"bytes", cache.bytes}});
  }
  OrderedJson variables = OrderedJson::object();
  for (const char* name : kVariables) {
    if (const char* value = std::getenv(name)) variables[name] = value;
  }
  OrderedJson document = {{"processor", cpu_model_name()},
                          {"processors", cpu_count()},
                          {"emulated", machine.emulated},
                          {"kernels", instruction_set_name(engine.context().kernels.set)},
                          {"kernels_supported", report.supported},
                          {"threads", engine.context().threads.thread_count()},
                          {"caches", caches},
                          {"memory_bytes", machine.memory_bytes},
                          {"available_bytes", machine.available_bytes},
                          {"huge_pages", machine.huge_pages},
                          {"bytes_per_second", report.limits.bytes_per_second},
                          {"int8_operations_per_second", report.limits.int8_operations},
                          {"bfloat16_operations_per_second", report.limits.bfloat16_operations},
                          {"float_operations_per_second", report.limits.float_operations},
                          {"environment", variables}};
  if (machine.memory_limit_bytes) document["memory_limit_bytes"] = *machine.memory_limit_bytes;
  document["power"] = power_json(report.power);
  if (report.model) document["model"] = model_json(*report.model, options);
  document["warnings"] = report.warnings;
  fmt::print("{}\n", document.dump(2, ' ', false, OrderedJson::error_handler_t::replace));
}

int doctor(const Options& options) {
  const Engine engine(options.engine);
  Report report = {.machine = read_machine(options.root)};
  for (const kernels::KernelTable* table : kernels::kernel_tables()) {
    if (cpu_supports(table->set)) report.supported.push_back(instruction_set_name(table->set));
  }
  // Before anything is computed, which would heat and load the machine.
  report.power = examine_power(engine, options.governor, options.root);
  report.limits = LimitsProbe(engine.context(), false).read();
  if (!options.model.empty()) report.model = examine(options, engine, report.machine);
  report.warnings = find_warnings(report, engine);
  if (options.json) {
    print_json(report, engine, options);
    return kExitOk;
  }
  print_machine(report, engine);
  print_power(report.power);
  if (report.model) print_model(*report.model, options);
  if (!report.warnings.empty()) fmt::print("\n");
  for (const std::string& warning : report.warnings) fmt::print("warning: {}\n", warning);
  return kExitOk;
}

}  // namespace

Action add_doctor(CLI::App& app) {
  struct Given {
    Options options;
    DataType type = DataType::kQ4_0;
  };
  auto given = std::make_shared<Given>();
  Options& options = given->options;
  CLI::Option* model = app.add_option(
      "MODEL", options.model, "Model to judge: a file or folder, or with --type a preset's name");
  app.add_option("--tokenizer", options.tokenizer,
                 "Tokenizer file of a llama2.c checkpoint (default: looked for beside it)")
      ->needs(model);
  CLI::Option* type =
      add_type_option(app, "--type", given->type, "MODEL is a preset of minim init, in this type")
          ->needs(model);
  app.add_option("-c,--context", options.context_tokens,
                 "Tokens that the cache is to hold (default: 4096, or all that the model can)")
      ->check(CLI::PositiveNumber);
  app.add_option("-d,--depth", options.depth, "Tokens in the cache when speed is told")
      ->capture_default_str();
  add_cache_type_option(app, options.cache_type);
  app.add_flag("--json", options.json, "Print JSON");
  app.add_option("--system-root", options.root,
                 "Folder with the /proc and /sys to look at, such as a host's in a container")
      ->check(CLI::ExistingDirectory);
  add_precision_option(app, options.engine);
  add_engine_options(app, options.engine);
  add_governor_options(app, options.governor);
  app.footer(
      "Measures the machine for a second, and a sample of the model's shapes for some more; the\n"
      "model itself is not loaded. The flags for heat, power and load say what a governor would "
      "do\n"
      "with this machine now.\n"
      "  minim doctor\n"
      "  minim doctor model.gguf --context 8192\n"
      "  minim doctor nano-tiny --type q4_0");
  return [given, type] {
    if (type->count() > 0) given->options.type = given->type;
    return doctor(given->options);
  };
}

}  // namespace minim::cli
