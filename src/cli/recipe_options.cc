#include "cli/recipe_options.h"

#include <fmt/core.h>

#include "base/error.h"
#include "cli/terminal.h"
#include "train/recipe/recipe_check.h"

namespace minim::cli {

void add_recipe_options(CLI::App& app, RecipeOptions& options) {
  app.add_option("RECIPE", options.path, "Recipe to follow: a YAML file, see recipes/");
  app.add_option("--set", options.settings,
                 "KEY=VALUE: replace a key of the recipe, as in --set training.steps=100")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  app.add_flag("--keys", options.keys, "List every key that a recipe can have");
}

void print_recipe_keys() {
  for (const train::RecipeKeyHelp& key : train::recipe_keys()) {
    fmt::print("{}\n    {}\n    {}{}\n", key.key, key.help, key.type,
               key.fallback.empty() ? "" : "; default " + key.fallback);
  }
}

train::Recipe open_recipe(const RecipeOptions& options) {
  if (options.path.empty()) {
    throw Error(ErrorCode::kInvalidArgument, "recipe: give the name of a RECIPE, or --keys");
  }
  train::Recipe recipe = train::load_recipe(options.path, options.settings);
  train::check_files(recipe);
  return recipe;
}

void print_data(const train::Recipe& recipe, const train::PreparedData& data) {
  const int64_t steps = train::step_count(recipe, *data.training);
  const auto rows = static_cast<uint64_t>(steps * recipe.training.batch_rows);
  const auto row_tokens = static_cast<double>(recipe.training.row_tokens);
  fmt::print("{:<20} {:>10} {:>9} {:>9} {:>8} {:>7} {:>8}\n", "source", "documents", "tokens",
             "rows", "padding", "share", "epochs");
  for (size_t i = 0; i < data.training_parts.size(); ++i) {
    const train::PackedRows& part = *data.training_parts[i];
    const double filled = static_cast<double>(part.positions()) /
                          (static_cast<double>(part.row_count()) * row_tokens);
    fmt::print("{:<20} {:>10} {:>9} {:>9} {:>6.1f} % {:>5.1f} % {:>8.2f}\n", part.source().name(),
               part.document_count(), format_count(static_cast<double>(part.positions())),
               part.row_count(), 100 * (1 - filled), 100 * data.training->shares()[i],
               data.training->epochs(i, rows));
  }
  fmt::print("{:<20} {:>30} rows\n", "held out", *data.held_out->row_count());
  fmt::print("{:<20} {:>30} steps of {} rows of {}: {} tokens\n", "training", steps,
             recipe.training.batch_rows, recipe.training.row_tokens,
             format_count(static_cast<double>(rows) * row_tokens));
  fmt::print("{:<20} {:>30} tokens\n", "vocabulary", data.tokenizer->size());
}

}  // namespace minim::cli
