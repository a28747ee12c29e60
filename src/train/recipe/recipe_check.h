// What must hold between the keys of a recipe, beyond the bounds of each.
#pragma once

#include "train/recipe/recipe.h"

namespace minim::train {

// Throws kInvalidArgument, naming the place, for keys that contradict each other or are missing.
// Opens no file.
void check_recipe(const Recipe& recipe);

// Throws kInvalidArgument or kNotFound, naming the key and its place, for a file that is not there
// or a pattern that matches none.
void check_files(const Recipe& recipe);

}  // namespace minim::train
