// `minim bench`: how fast this machine runs a model.
#include <fmt/core.h>

#include <memory>
#include <string>

#include "base/cpu.h"
#include "base/json.h"
#include "cli/command.h"
#include "cli/engine.h"
#include "cli/exit_code.h"
#include "cli/terminal.h"
#include "eval/speed.h"
#include "kernels/kernel_table.h"

namespace minim::cli {
namespace {

struct Options {
  ModelOptions model;
  EngineOptions engine;
  SpeedOptions speed;
  bool json = false;
};

OrderedJson to_json(const SpeedSamples& samples) {
  return {{"median", samples.median()},
          {"min", samples.min()},
          {"max", samples.max()},
          {"samples", samples.rates}};
}

OrderedJson to_json(const Engine& engine, const SpeedOptions& options, const SpeedResult& result) {
  OrderedJson document = {{"kernels", instruction_set_name(engine.context().kernels.set)},
                          {"threads", engine.context().threads.thread_count()},
                          {"cache_type", data_type_info(options.kv_type).name},
                          {"prompt_tokens", options.prompt_tokens},
                          {"generated_tokens", options.generated_tokens},
                          {"depth", options.depth},
                          {"sequences", options.sequence_count},
                          {"weight_bytes", result.weight_bytes},
                          {"cache_bytes", result.cache_bytes}};
  if (!result.prompt.rates.empty()) document["prompt_tokens_per_second"] = to_json(result.prompt);
  if (!result.generation.rates.empty()) {
    document["generated_tokens_per_second"] = to_json(result.generation);
  }
  return document;
}

void print_samples(const std::string& name, const SpeedSamples& samples) {
  fmt::print("{:<34} {:10.1f} tokens/s   ({:.1f} - {:.1f}, {} runs)\n", name, samples.median(),
             samples.min(), samples.max(), samples.rates.size());
}

void print(const Engine& engine, const SpeedOptions& options, const SpeedResult& result) {
  fmt::print("{}, {} kernels, {} threads; weights {:.1f} MB, cache {} {:.1f} MB\n",
             cpu_model_name(), instruction_set_name(engine.context().kernels.set),
             engine.context().threads.thread_count(),
             static_cast<double>(result.weight_bytes) * 1e-6, data_type_info(options.kv_type).name,
             static_cast<double>(result.cache_bytes) * 1e-6);
  if (!result.prompt.rates.empty()) {
    print_samples(fmt::format("prompt of {} tokens", options.prompt_tokens), result.prompt);
  }
  if (result.generation.rates.empty()) return;
  std::string name = fmt::format("generation of {}", options.generated_tokens);
  if (options.depth > 0) name += fmt::format(" after {}", options.depth);
  if (options.sequence_count > 1) name += fmt::format(", {} sequences", options.sequence_count);
  print_samples(name, result.generation);
}

int bench(Options options) {
  const Engine engine(options.engine);
  const InterruptGuard interrupt;
  const auto model = load_model(engine, open_model(options.model), 0);
  SpeedResult result;
  {
    ProgressDisplay display(options.engine.quiet);
    result = measure_speed(engine.context(), model, options.speed, display.sink());
  }
  if (options.json) {
    fmt::print("{}\n", to_json(engine, options.speed, result).dump(2));
  } else {
    print(engine, options.speed, result);
  }
  return kExitOk;
}

}  // namespace

Action add_bench(CLI::App& app) {
  auto options = std::make_shared<Options>();
  SpeedOptions& speed = options->speed;
  add_model_options(app, options->model);
  app.add_option("-p,--prompt", speed.prompt_tokens, "Tokens of the prompt; 0: none")
      ->capture_default_str();
  app.add_option("-n,--tokens", speed.generated_tokens, "Tokens to generate; 0: none")
      ->capture_default_str();
  app.add_option("-d,--depth", speed.depth, "Tokens in the cache before the first generated one")
      ->capture_default_str();
  app.add_option("--sequences", speed.sequence_count, "Sequences that generate together")
      ->capture_default_str();
  app.add_option("--batch", speed.batch_tokens, "Prompt tokens computed at once")
      ->capture_default_str();
  app.add_option("-r,--repetitions", speed.repetitions, "Runs, after one to warm up")
      ->capture_default_str();
  add_cache_type_option(app, speed.kv_type);
  app.add_flag("--json", options->json, "Print JSON");
  add_precision_option(app, options->engine);
  add_engine_options(app, options->engine);
  app.footer(
      "Medians of several runs; tokens are random and nothing is sampled.\n"
      "  minim bench model.gguf\n"
      "  minim bench model.gguf -p 0 -n 64 --depth 4096\n"
      "  minim bench model.gguf -p 0 --sequences 8");
  return [options] { return bench(*options); };
}

}  // namespace minim::cli
