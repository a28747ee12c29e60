// `minim data`: makes the data of a recipe ready and shows what there is.
#include <fmt/core.h>

#include <memory>

#include "cli/command.h"
#include "cli/engine.h"
#include "cli/exit_code.h"
#include "cli/recipe_options.h"
#include "cli/terminal.h"
#include "model/memory.h"

namespace minim::cli {
namespace {

struct Options {
  EngineOptions engine;
  RecipeOptions recipe;
};

int prepare(const Options& options) {
  if (options.recipe.keys) {
    print_recipe_keys();
    return kExitOk;
  }
  const train::Recipe recipe = open_recipe(options.recipe);
  const Engine engine(options.engine);
  const InterruptGuard interrupt;
  train::PreparedData data;
  {
    ProgressDisplay display(options.engine.quiet);
    data = train::prepare_data(engine.context(), recipe,
                               {.progress = display.sink(), .warn = [&](const std::string& text) {
                                  engine.context().warn(text);
                                }});
  }
  print_data(recipe, data);
  const ModelConfig config = train::model_config(recipe, data.tokenizer->size());
  fmt::print("{:<20} {:>30} parameters ({})\n", "model",
             format_count(static_cast<double>(parameter_count(config))), config.architecture);
  return kExitOk;
}

}  // namespace

Action add_data(CLI::App& app) {
  auto options = std::make_shared<Options>();
  add_recipe_options(app, options->recipe);
  add_engine_options(app, options->engine);
  app.footer(
      "Learns the tokenizer and tokenises the sources of a recipe once, into its cache, and shows\n"
      "how they are mixed.\n\n"
      "Example:\n  minim data recipes/toy.yaml --set training.steps=100");
  return [options] { return prepare(*options); };
}

}  // namespace minim::cli
