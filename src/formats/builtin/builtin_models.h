// Models that are part of the library: opened as any other, by "builtin:NAME" in place of a path.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

#include "formats/model_file.h"

namespace minim {

struct BuiltinModel {
  std::string_view name;             // "nano"
  std::span<const std::byte> bytes;  // a GGUF file
};
// The first is the one to take where none is named. Empty where the library was built without.
std::span<const BuiltinModel> builtin_models();

// Whether `path` names one, there or not: it begins with "builtin:".
bool is_builtin_path(const Path& path);
Path builtin_path(const BuiltinModel& model);
// Null where there is none of this name.
const BuiltinModel* find_builtin(const Path& path);

// Throws kNotFound, listing those there are.
std::shared_ptr<const ModelFile> open_builtin(const Path& path);

}  // namespace minim
