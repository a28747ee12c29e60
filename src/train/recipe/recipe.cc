#include "train/recipe/recipe.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <utility>

#include "base/error.h"
#include "train/recipe/recipe_check.h"
#include "train/recipe/section_reader.h"

namespace minim::train {
namespace {

constexpr size_t kRecipeBytesMax = size_t{2} << 20;

class RecipeReader {
 public:
  explicit RecipeReader(Recipe& recipe) : recipe_(recipe) {}

  // `depth`: how many recipes build on this one.
  void read(const YamlNode& root, const RecipePlace& place, int depth = 0) {
    if (root.kind == YamlNode::Kind::kNull) return;
    require_map(root, "the recipe", place);
    if (const YamlNode* base = root.find("base")) read_base(*base, place, depth);
    for (const auto& [name, node] : root.entries) {
      if (name != "base") read_section(name, node, place);
    }
  }

  // "training.steps" and its value.
  void set(const std::string& setting) {
    const size_t equals = setting.find('=');
    if (equals == std::string::npos || equals == 0) {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("recipe: --set takes KEY=VALUE, as in --set training.steps=100, not "
                              "'{}'",
                              setting));
    }
    const std::string path = setting.substr(0, equals);
    const std::string origin = "--set " + path;
    YamlNode value = parse_yaml(setting.substr(equals + 1), origin);
    // "KEY=" is an empty text.
    if (equals + 1 == setting.size()) value.kind = YamlNode::Kind::kScalar;
    const RecipePlace place = {origin, true};
    std::vector<std::string> parts;
    for (size_t begin = 0; begin <= path.size();) {
      const size_t end = std::min(path.find('.', begin), path.size());
      parts.push_back(path.substr(begin, end - begin));
      begin = end + 1;
    }
    if (parts.size() == 4 && parts[0] == "data" && parts[1] == "sources") {
      set_in_source(parts[2], parts[3], value, place);
      return;
    }
    if (parts.size() != 2) throw_bad_recipe(origin, "a key is written SECTION.KEY");
    YamlNode section;
    section.kind = YamlNode::Kind::kMap;
    section.entries.emplace_back(parts[1], std::move(value));
    read_section(parts[0], section, place);
  }

 private:
  static void require_map(const YamlNode& node, const std::string& what, const RecipePlace& place) {
    if (node.kind == YamlNode::Kind::kMap) return;
    throw_bad_recipe(place.at(node.line), what + " is no map of keys and values");
  }

  void note(const std::string& path, const RecipePlace& place, int line) {
    recipe_.places[path] = place.is_setting ? "--set " + path : place.at(line);
  }

  // Paths of inputs are relative to the folder of the recipe, hence the same one for both.
  void read_base(const YamlNode& node, const RecipePlace& place, int depth) {
    constexpr int kDepthMax = 16;
    const std::string where = place.at(node.line);
    if (node.kind != YamlNode::Kind::kScalar || Path(node.scalar).filename() != node.scalar ||
        node.scalar.empty()) {
      throw_bad_recipe(where, "base is no name of a recipe in the same folder");
    }
    if (depth >= kDepthMax) {
      throw_bad_recipe(where, fmt::format("base is the {}th in a row; does '{}' build on itself?",
                                          kDepthMax + 1, node.scalar));
    }
    const Path path = recipe_.folder / node.scalar;
    if (!std::filesystem::is_regular_file(path)) {
      throw_bad_recipe(where, fmt::format("base: there is no file '{}'", path.string()));
    }
    const std::string origin = path.string();
    read(parse_yaml(read_file(path, kRecipeBytesMax), origin), {origin, false}, depth + 1);
  }

  void read_section(const std::string& name, const YamlNode& node, const RecipePlace& place) {
    static const std::vector<std::string_view> kSections = {"model",    "tokenizer",    "data",
                                                            "training", "distillation", "output"};
    if (std::find(kSections.begin(), kSections.end(), name) == kSections.end()) {
      const std::string nearest = nearest_name(name, kSections);
      throw_bad_recipe(place.at(node.line),
                       fmt::format("'{}' is no section; {}", name,
                                   nearest.empty() ? "there are model, tokenizer, data, training, "
                                                     "distillation and output"
                                                   : "did you mean '" + nearest + "'?"));
    }
    if (node.kind == YamlNode::Kind::kNull) return;
    require_map(node, "'" + name + "'", place);
    note(name, place, node.line);
    if (name == "model") read_keys(node, name, place, recipe_.model);
    if (name == "tokenizer") read_keys(node, name, place, recipe_.tokenizer);
    if (name == "data") read_keys(node, name, place, recipe_.data);
    if (name == "training") read_keys(node, name, place, recipe_.training);
    if (name == "distillation") read_keys(node, name, place, recipe_.distillation);
    if (name == "output") read_keys(node, name, place, recipe_.output);
  }

  template <typename Section>
  void read_keys(const YamlNode& node, const std::string& path, const RecipePlace& place,
                 Section& section) {
    const auto keys = section_keys<Section>();
    for (const auto& [name, value] : node.entries) {
      if (path == "data" && name == "sources") {
        read_sources(value, place);
        continue;
      }
      const auto key = std::find_if(keys.begin(), keys.end(),
                                    [&](const auto& known) { return name == known.name; });
      if (key == keys.end()) throw_unknown<Section>(name, path, place.at(value.line));
      const std::string full = path + "." + name;
      set_field(*key, value, place.at(value.line), full, section);
      note(full, place, value.line);
    }
  }

  template <typename Section>
  [[noreturn]] void throw_unknown(const std::string& name, const std::string& path,
                                  const std::string& where) {
    std::vector<std::string_view> names;
    for (const auto& key : section_keys<Section>()) names.push_back(key.name);
    if (path == "data") names.push_back("sources");
    const std::string nearest = nearest_name(name, names);
    throw_bad_recipe(where, fmt::format("'{}' is no key of {}; {}", name, path,
                                        nearest.empty() ? "`minim data --keys` lists them"
                                                        : "did you mean '" + nearest + "'?"));
  }

  void read_sources(const YamlNode& node, const RecipePlace& place) {
    if (node.kind != YamlNode::Kind::kList) {
      throw_bad_recipe(place.at(node.line), "data.sources is no list; begin each source with '-'");
    }
    auto& sources = recipe_.data.sources;
    if (place.is_setting) sources.clear();
    // One of a name that the base has changes the keys of that one.
    const size_t of_base = sources.size();
    note("data.sources", place, node.line);
    for (size_t i = 0; i < node.items.size(); ++i) {
      const YamlNode& item = node.items[i];
      require_map(item, fmt::format("data.sources.{}", i), place);
      const YamlNode* name = item.find("name");
      const auto end = sources.begin() + static_cast<std::ptrdiff_t>(of_base);
      const auto found = std::find_if(sources.begin(), end, [&](const SourceRecipe& source) {
        return name != nullptr && name->scalar == source.name;
      });
      const size_t index =
          found == end ? sources.size() : static_cast<size_t>(found - sources.begin());
      if (index == sources.size()) sources.emplace_back();
      const std::string path = fmt::format("data.sources.{}", index);
      note(path, place, item.line);
      read_keys(item, path, place, sources[index]);
    }
  }

  void set_in_source(const std::string& which, const std::string& key, const YamlNode& value,
                     const RecipePlace& place) {
    auto& sources = recipe_.data.sources;
    auto found = std::find_if(sources.begin(), sources.end(),
                              [&](const SourceRecipe& source) { return source.name == which; });
    size_t index = 0;
    const auto [end, error] = std::from_chars(which.data(), which.data() + which.size(), index);
    const bool is_index = error == std::errc() && end == which.data() + which.size();
    if (found == sources.end() && is_index && index < sources.size()) {
      found = sources.begin() + static_cast<std::ptrdiff_t>(index);
    }
    if (found == sources.end()) {
      throw_bad_recipe(place.origin, fmt::format("there is no source '{}'", which));
    }
    YamlNode map;
    map.kind = YamlNode::Kind::kMap;
    map.entries.emplace_back(key, value);
    read_keys(map, fmt::format("data.sources.{}", found - sources.begin()), place, *found);
  }

  Recipe& recipe_;
};

std::string quoted(const std::string& text) {
  std::string made = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') made += '\\';
    if (c == '\n') {
      made += "\\n";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      made += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      made += c;
    }
  }
  return made + "\"";
}

template <typename Value>
std::string format_value(const Value& value) {
  if constexpr (std::is_same_v<Value, bool>) {
    return value ? "true" : "false";
  } else if constexpr (std::is_same_v<Value, std::string>) {
    return quoted(value);
  } else if constexpr (std::is_same_v<Value, std::vector<std::string>>) {
    std::string made;
    for (const std::string& item : value) made += (made.empty() ? "" : ", ") + quoted(item);
    return "[" + made + "]";
  } else if constexpr (std::is_arithmetic_v<Value>) {
    return fmt::format("{}", value);
  } else {
    return value ? fmt::format("{}", *value) : std::string();
  }
}

template <typename Section>
void format_section(const Section& section, const std::string& indent, std::string& text) {
  const Section defaults;
  for (const auto& key : section_keys<Section>()) {
    std::visit(
        [&](auto member) {
          if (section.*member == defaults.*member) return;
          text += fmt::format("{}{}: {}\n", indent, key.name, format_value(section.*member));
        },
        key.member);
  }
}

template <typename Section>
void format_named(const char* name, const Section& section, std::string& text) {
  std::string body;
  format_section(section, "  ", body);
  if (!body.empty()) text += fmt::format("{}:\n{}", name, body);
}

template <typename Section>
void list_keys(const std::string& path, std::vector<RecipeKeyHelp>& keys) {
  const Section defaults;
  for (const auto& key : section_keys<Section>()) {
    static constexpr const char* kTypes[] = {"true or false", "whole number", "number", "text",
                                             "texts",         "whole number", "number"};
    std::string type = kTypes[key.member.index()];
    if (const auto words = key.word_list(); !words.empty()) {
      type.clear();
      for (const std::string_view word : words) {
        type += (type.empty() ? "" : ", ") + std::string(word);
      }
    }
    keys.push_back(
        {path + "." + key.name, type,
         std::visit([&](auto member) { return format_value(defaults.*member); }, key.member),
         key.help});
  }
}

}  // namespace

std::string Recipe::where(const std::string& key) const {
  const auto found = places.find(key);
  return found == places.end() ? origin : found->second;
}

Path Recipe::resolve(const std::string& path) const {
  const Path given = path;
  return given.is_absolute() ? given : folder / given;
}

Recipe parse_recipe(const std::string& text, const std::string& origin, const Path& folder,
                    std::span<const std::string> settings) {
  Recipe recipe;
  recipe.origin = origin;
  recipe.folder = folder;
  RecipeReader reader(recipe);
  reader.read(parse_yaml(text, origin), {origin, false});
  for (const std::string& setting : settings) reader.set(setting);
  check_recipe(recipe);
  return recipe;
}

Recipe load_recipe(const Path& path, std::span<const std::string> settings) {
  Recipe recipe =
      parse_recipe(read_file(path, kRecipeBytesMax), path.string(), path.parent_path(), settings);
  if (recipe.output.name.empty()) recipe.output.name = path.stem().string();
  if (recipe.output.folder.empty()) recipe.output.folder = "runs/" + recipe.output.name;
  return recipe;
}

std::vector<RecipeKeyHelp> recipe_keys() {
  std::vector<RecipeKeyHelp> keys = {
      {"base", "text", "", "a recipe in the same folder, all of which this one begins with"}};
  list_keys<ModelRecipe>("model", keys);
  list_keys<TokenizerRecipe>("tokenizer", keys);
  list_keys<DataRecipe>("data", keys);
  list_keys<SourceRecipe>("data.sources[]", keys);
  list_keys<TrainingRecipe>("training", keys);
  list_keys<DistillationRecipe>("distillation", keys);
  list_keys<OutputRecipe>("output", keys);
  return keys;
}

std::string format_recipe(const Recipe& recipe) {
  std::string text;
  format_named("model", recipe.model, text);
  format_named("tokenizer", recipe.tokenizer, text);
  std::string data;
  format_section(recipe.data, "  ", data);
  if (!recipe.data.sources.empty()) data += "  sources:\n";
  for (const SourceRecipe& source : recipe.data.sources) {
    data += fmt::format("    - name: {}\n", quoted(source.name));
    SourceRecipe nameless = source;
    nameless.name.clear();
    format_section(nameless, "      ", data);
  }
  if (!data.empty()) text += "data:\n" + data;
  format_named("training", recipe.training, text);
  format_named("distillation", recipe.distillation, text);
  format_named("output", recipe.output, text);
  return text;
}

}  // namespace minim::train
