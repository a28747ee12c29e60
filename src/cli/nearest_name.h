// The name that somebody meant who wrote another one.
#pragma once

#include <optional>
#include <span>
#include <string_view>

namespace minim::cli {

// The one of `names` that the fewest edits (insert, delete, replace) make of `word`, where two or
// less do.
std::optional<std::string_view> nearest_name(std::string_view word,
                                             std::span<const std::string_view> names);

}  // namespace minim::cli
