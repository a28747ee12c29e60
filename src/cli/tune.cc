// `minim tune`: finds what is fastest on this machine, and keeps it for all commands and for
// programs that use the library.
#include <fmt/core.h>

#include <memory>
#include <string>
#include <vector>

#include "base/cpu.h"
#include "base/error.h"
#include "base/json.h"
#include "cli/command.h"
#include "cli/engine.h"
#include "cli/exit_code.h"
#include "cli/terminal.h"
#include "eval/tuner.h"

namespace minim::cli {
namespace {

struct Options {
  EngineOptions engine;
  int rounds = 3;
  bool dry = false;
  bool json = false;
};

void print_values(const char* title, const char* unit, const std::vector<TunedValue>& values,
                  int64_t best) {
  fmt::print("{}\n", title);
  for (const TunedValue& each : values) {
    fmt::print("  {:>4} {:<8} {:>8.1f} tokens/s{}\n", each.value, unit, each.tokens_per_second,
               each.value == best ? "  chosen" : "");
  }
}

OrderedJson to_json(const std::vector<TunedValue>& values) {
  OrderedJson list = OrderedJson::array();
  for (const TunedValue& each : values) {
    list.push_back({{"value", each.value}, {"tokens_per_second", each.tokens_per_second}});
  }
  return list;
}

void print_json(const std::string& key, const Path& file, const TuningReport& report) {
  const OrderedJson json = {
      {"machine", key},
      {"file", file.string()},
      {"generation_threads",
       {{"chosen", report.best.generation_threads}, {"tried", to_json(report.generation_threads)}}},
      {"prompt_threads",
       {{"chosen", report.best.prompt_threads}, {"tried", to_json(report.prompt_threads)}}},
      {"batch_tokens",
       {{"chosen", report.best.batch_tokens}, {"tried", to_json(report.batch_tokens)}}}};
  fmt::print("{}\n", json.dump(2));
}

int run(const Options& options) {
  const Path file = options.dry ? Path() : tuning_path();
  if (file.empty() && !options.dry) {
    throw Error(ErrorCode::kInvalidArgument,
                "tune: there is no home folder to keep the numbers in; set MINIM_TUNING to a file, "
                "or give --dry-run");
  }
  EngineOptions all = options.engine;
  all.threads = cpu_count();
  const Engine engine(all);
  const std::string key = tuning_key(engine.context().kernels.set);
  if (!options.dry) read_tuning(file, key);  // a damaged file is told before the work
  const TuningReport report = [&] {
    ProgressDisplay display(engine.quiet());
    return find_tuning(engine.context(), {.rounds = options.rounds, .progress = display.sink()});
  }();
  if (!options.dry) write_tuning(file, key, report.best);
  if (options.json) {
    print_json(key, file, report);
    return kExitOk;
  }
  fmt::print("{}\n", key);
  print_values("generating, by threads", "threads", report.generation_threads,
               report.best.generation_threads);
  print_values("reading prompts, by threads", "threads", report.prompt_threads,
               report.best.prompt_threads);
  print_values("reading prompts, by tokens computed at once", "tokens", report.batch_tokens,
               report.best.batch_tokens);
  if (!options.dry) fmt::print("kept in {}\n", file.string());
  return kExitOk;
}

}  // namespace

Action add_tune(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("--rounds", options->rounds, "Readings of each number, in turn with the others")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_flag("--dry-run", options->dry, "Show what is found and keep nothing");
  app.add_flag("--json", options->json, "Print JSON");
  add_output_options(app, options->engine);
  app.footer(
      "Times a piece of a model of 1.2 billion weights and keeps, for this processor, what was\n"
      "fastest: commands use it where --threads and --batch are not given, and programs that\n"
      "leave the number of threads to the library. Of numbers that differ by less than 3 % it\n"
      "takes the smallest. The file is $MINIM_TUNING, or minim/tuning.json in $XDG_CACHE_HOME\n"
      "(by default ~/.cache); MINIM_TUNING= uses none.\n\n"
      "Example:\n  minim tune");
  return [options] { return run(*options); };
}

}  // namespace minim::cli
