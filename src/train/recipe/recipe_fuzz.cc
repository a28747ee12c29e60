// Any bytes as a recipe: what is accepted, written out and read again is the same.
#include <cstdint>
#include <string>

#include "base/error.h"
#include "train/recipe/recipe.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  try {
    const auto recipe = minim::train::parse_recipe(text, "fuzz.yaml", "/");
    const std::string formatted = minim::train::format_recipe(recipe);
    const auto again = minim::train::parse_recipe(formatted, "again.yaml", "/");
    MINIM_CHECK(minim::train::format_recipe(again) == formatted);
  } catch (const minim::Error&) {
  }
  return 0;
}
