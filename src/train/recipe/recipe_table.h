// The table of all keys of recipes: one row each gives type, bounds, help and where the value goes.
#pragma once

#include <algorithm>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "train/recipe/recipe.h"

namespace minim::train {

template <typename Section>
struct RecipeKey {
  using Member = std::variant<bool Section::*, int64_t Section::*, double Section::*,
                              std::string Section::*, std::vector<std::string> Section::*,
                              std::optional<int64_t> Section::*, std::optional<double> Section::*>;

  const char* name;
  Member member;
  const char* help;
  double least = std::numeric_limits<double>::lowest();
  double most = std::numeric_limits<double>::max();
  const char* words = "";  // that a text may be, a space between; empty: any

  std::vector<std::string_view> word_list() const;
};

template <typename Section>
std::vector<std::string_view> RecipeKey<Section>::word_list() const {
  std::vector<std::string_view> list;
  for (std::string_view rest = words; !rest.empty();) {
    const size_t end = std::min(rest.find(' '), rest.size());
    list.push_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return list;
}

// The rows of a section, in the order of the documentation.
template <typename Section>
std::span<const RecipeKey<Section>> section_keys();

template <>
std::span<const RecipeKey<ModelRecipe>> section_keys();
template <>
std::span<const RecipeKey<TokenizerRecipe>> section_keys();
template <>
std::span<const RecipeKey<SourceRecipe>> section_keys();
template <>
std::span<const RecipeKey<DataRecipe>> section_keys();
template <>
std::span<const RecipeKey<TrainingRecipe>> section_keys();
template <>
std::span<const RecipeKey<DistillationRecipe>> section_keys();
template <>
std::span<const RecipeKey<OutputRecipe>> section_keys();

}  // namespace minim::train
