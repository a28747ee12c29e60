// What commands that take a recipe share.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "train/recipe/prepare.h"
#include "train/recipe/recipe.h"

namespace minim::cli {

struct RecipeOptions {
  std::string path;
  std::vector<std::string> settings;
  bool keys = false;
};
void add_recipe_options(CLI::App& app, RecipeOptions& options);

// --keys: every key that a recipe can have, on standard output.
void print_recipe_keys();

// Reads the recipe and looks for its files.
train::Recipe open_recipe(const RecipeOptions& options);

// Where rows come from, how many there are, how often each source is read.
void print_data(const train::Recipe& recipe, const train::PreparedData& data);

}  // namespace minim::cli
