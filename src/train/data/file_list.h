// Names of data files as a recipe gives them: paths and patterns.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/file.h"

namespace minim::train {

// Every regular file that a pattern names, in the order of the patterns and sorted within each; a
// file that several name comes once. `*`, `?` and `[...]` are understood, a leading `~` is the home
// folder, and relative patterns begin at `base`. Throws kNotFound for a pattern that names no file
// and kInvalidArgument for one that names a folder.
std::vector<Path> find_files(std::span<const std::string> patterns, const Path& base);

}  // namespace minim::train
