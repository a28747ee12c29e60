// `minim init`: a model with random weights in the shape of a preset, for measuring.
#include <fmt/core.h>

#include <memory>
#include <string>

#include "base/error.h"
#include "cli/command.h"
#include "cli/engine.h"
#include "cli/exit_code.h"
#include "cli/terminal.h"
#include "model/memory.h"
#include "model/presets.h"
#include "model/random_model.h"

namespace minim::cli {
namespace {

struct Options {
  EngineOptions engine;
  std::string preset;
  std::string output;
  DataType type = DataType::kQ4_0;
  uint64_t seed = 1;
  bool force = false;
};

int init(const Options& options) {
  const ModelConfig config = preset_config(options.preset);
  refuse_overwrite(options.output, options.force);
  const Engine engine(options.engine);
  const InterruptGuard interrupt;
  {
    ProgressDisplay display(options.engine.quiet);
    write_random_model(engine.context(), config, options.output,
                       {.type = options.type, .seed = options.seed, .progress = display.sink()});
  }
  if (!options.engine.quiet) {
    fmt::print(stderr, "wrote {}: {} random weights as {}, {}\n", options.output,
               format_count(static_cast<double>(parameter_count(config))),
               data_type_info(options.type).name,
               format_bytes(static_cast<double>(std::filesystem::file_size(options.output))));
  }
  return kExitOk;
}

}  // namespace

Action add_init(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("PRESET", options->preset, "Shape of the model, see below")->required();
  app.add_option("OUT", options->output, "GGUF file to write")->required();
  add_type_option(app, "--type", options->type, "Type of the weights (default: q4_0)");
  app.add_option("--seed", options->seed, "The same seed writes the same file")
      ->capture_default_str();
  app.add_flag("--force", options->force, "Replace OUT if it exists");
  add_engine_options(app, options->engine);
  std::string footer = "Presets:\n";
  for (const Preset& preset : presets()) {
    footer += fmt::format("  {:<12} {}\n", preset.name, preset.description);
  }
  app.footer(footer + "\nExample:\n  minim init nano-tiny tiny.gguf --type q4_k");
  return [options] { return init(*options); };
}

}  // namespace minim::cli
