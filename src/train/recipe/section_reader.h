// One section of a recipe from its YAML, by the rows of its table.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "train/recipe/recipe_table.h"
#include "train/recipe/yaml_tree.h"

namespace minim::train {

// "toy.yaml:12" or "--set training.steps".
struct RecipePlace {
  const std::string& origin;  // of the file, or "--set KEY"
  bool is_setting = false;    // lines say nothing

  std::string at(int line) const;
};

// The nearest of `names` to a misspelt word, within two edits; empty: none is near.
std::string nearest_name(std::string_view word, const std::vector<std::string_view>& names);

[[noreturn]] void throw_bad_recipe(const std::string& where, const std::string& what);

// Replaces ${NAME} and ${NAME:-word} by what the environment says. Throws kInvalidArgument for a
// variable that is not set.
std::string expand_variables(const std::string& text, const std::string& where);

// Sets the field that a row names. `path`: of the key, for messages.
template <typename Section>
void set_field(const RecipeKey<Section>& key, const YamlNode& value, const std::string& where,
               const std::string& path, Section& section);

extern template void set_field(const RecipeKey<ModelRecipe>&, const YamlNode&, const std::string&,
                               const std::string&, ModelRecipe&);
extern template void set_field(const RecipeKey<TokenizerRecipe>&, const YamlNode&,
                               const std::string&, const std::string&, TokenizerRecipe&);
extern template void set_field(const RecipeKey<SourceRecipe>&, const YamlNode&, const std::string&,
                               const std::string&, SourceRecipe&);
extern template void set_field(const RecipeKey<DataRecipe>&, const YamlNode&, const std::string&,
                               const std::string&, DataRecipe&);
extern template void set_field(const RecipeKey<TrainingRecipe>&, const YamlNode&,
                               const std::string&, const std::string&, TrainingRecipe&);
extern template void set_field(const RecipeKey<DistillationRecipe>&, const YamlNode&,
                               const std::string&, const std::string&, DistillationRecipe&);
extern template void set_field(const RecipeKey<OutputRecipe>&, const YamlNode&, const std::string&,
                               const std::string&, OutputRecipe&);

}  // namespace minim::train
