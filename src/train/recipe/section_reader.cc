#include "train/recipe/section_reader.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <utility>

#include "base/error.h"

namespace minim::train {
namespace {

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row[b.size()];
}

// "12", "0.5", "1e-3", and "10k", "20M", "1.5B" for thousands, millions, thousands of millions.
std::optional<double> parse_number(std::string_view text) {
  double scale = 1;
  if (!text.empty()) {
    const char last = text.back();
    scale = last == 'k' ? 1e3 : last == 'M' ? 1e6 : last == 'B' ? 1e9 : 1;
    if (scale > 1) text.remove_suffix(1);
  }
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) {
    return std::nullopt;
  }
  return value * scale;
}

std::string shorten(const std::string& text) {
  return text.size() <= 60 ? text : text.substr(0, 57) + "...";
}

std::string describe(const YamlNode& node) {
  switch (node.kind) {
    case YamlNode::Kind::kNull: return "nothing";
    case YamlNode::Kind::kScalar: return fmt::format("'{}'", shorten(node.scalar));
    case YamlNode::Kind::kList: return "a list";
    case YamlNode::Kind::kMap: return "a map";
  }
  return "";
}

struct FieldPlace {
  const std::string& where;
  const std::string& path;

  [[noreturn]] void throw_wrong_type(const YamlNode& value, const char* wanted) const {
    throw_bad_recipe(where, fmt::format("{} is {}, not {}", path, describe(value), wanted));
  }
};

double read_number(const YamlNode& value, double least, double most, const char* wanted,
                   const FieldPlace& place) {
  const auto number = value.kind == YamlNode::Kind::kScalar && !value.quoted
                          ? parse_number(value.scalar)
                          : std::nullopt;
  if (!number) place.throw_wrong_type(value, wanted);
  if (*number >= least && *number <= most) return *number;
  const std::string bounds =
      most >= 1e300
          ? (least > 0 && least < 1e-200 ? "above 0" : fmt::format("at least {:g}", least))
      : least < 1e-200 && least > 0 ? fmt::format("above 0 and at most {:g}", most)
                                    : fmt::format("{:g} to {:g}", least, most);
  throw_bad_recipe(place.where,
                   fmt::format("{} is {}; it must be {}", place.path, value.scalar, bounds));
}

int64_t read_integer(const YamlNode& value, double least, double most, const FieldPlace& place) {
  const double number = read_number(value, least, std::min(most, 9e15), "a whole number", place);
  if (number != std::floor(number)) place.throw_wrong_type(value, "a whole number");
  return static_cast<int64_t>(number);
}

std::string read_text(const YamlNode& value, const std::vector<std::string_view>& words,
                      const FieldPlace& place) {
  if (value.kind != YamlNode::Kind::kScalar) place.throw_wrong_type(value, "a text");
  std::string text = expand_variables(value.scalar, place.where);
  if (words.empty() || std::find(words.begin(), words.end(), text) != words.end()) return text;
  const std::string nearest = nearest_name(text, words);
  throw_bad_recipe(place.where, fmt::format("{} is '{}'; it can be {}{}", place.path, shorten(text),
                                            fmt::join(words, ", "),
                                            nearest.empty() ? "" : ": '" + nearest + "'?"));
}

bool read_flag(const YamlNode& value, const FieldPlace& place) {
  if (value.kind == YamlNode::Kind::kScalar && !value.quoted) {
    if (value.scalar == "true") return true;
    if (value.scalar == "false") return false;
  }
  place.throw_wrong_type(value, "true or false");
}

// A list, or one text alone.
std::vector<std::string> read_texts(const YamlNode& value, const FieldPlace& place) {
  if (value.kind == YamlNode::Kind::kScalar) return {read_text(value, {}, place)};
  if (value.kind != YamlNode::Kind::kList) place.throw_wrong_type(value, "a list of texts");
  std::vector<std::string> texts;
  for (const YamlNode& item : value.items) texts.push_back(read_text(item, {}, place));
  return texts;
}

}  // namespace

std::string RecipePlace::at(int line) const {
  return is_setting ? origin : fmt::format("{}:{}", origin, line);
}

std::string nearest_name(std::string_view word, const std::vector<std::string_view>& names) {
  std::string_view nearest;
  size_t least = std::min<size_t>(3, std::max<size_t>(word.size(), 2));
  for (const std::string_view name : names) {
    const size_t distance = edit_distance(word, name);
    if (distance >= least) continue;
    least = distance;
    nearest = name;
  }
  return std::string(nearest);
}

void throw_bad_recipe(const std::string& where, const std::string& what) {
  throw Error(ErrorCode::kInvalidArgument, fmt::format("recipe: {}: {}", where, what));
}

std::string expand_variables(const std::string& text, const std::string& where) {
  std::string expanded;
  size_t done = 0;
  for (;;) {
    const size_t begin = text.find("${", done);
    expanded.append(text, done, begin - done);
    if (begin == std::string::npos) return expanded;
    const size_t end = text.find('}', begin);
    if (end == std::string::npos) throw_bad_recipe(where, "'${' without its '}'");
    const std::string inner = text.substr(begin + 2, end - begin - 2);
    const size_t dash = inner.find(":-");
    const std::string name = inner.substr(0, dash);
    const char* value = name.empty() ? nullptr : std::getenv(name.c_str());
    if (value != nullptr && *value != '\0') {
      expanded += value;
    } else if (dash != std::string::npos) {
      expanded += inner.substr(dash + 2);
    } else {
      throw_bad_recipe(where, fmt::format("the environment has no variable '{}'; set it, or give "
                                          "a default as in ${{{}:-folder}}",
                                          name, name.empty() ? "NAME" : name));
    }
    done = end + 1;
  }
}

template <typename Section>
void set_field(const RecipeKey<Section>& key, const YamlNode& value, const std::string& where,
               const std::string& path, Section& section) {
  const FieldPlace place = {where, path};
  std::visit(
      [&](auto member) {
        auto& field = section.*member;
        using Field = std::remove_reference_t<decltype(field)>;
        if constexpr (std::is_same_v<Field, bool>) {
          field = read_flag(value, place);
        } else if constexpr (std::is_same_v<Field, int64_t> ||
                             std::is_same_v<Field, std::optional<int64_t>>) {
          field = read_integer(value, key.least, key.most, place);
        } else if constexpr (std::is_same_v<Field, double> ||
                             std::is_same_v<Field, std::optional<double>>) {
          field = read_number(value, key.least, key.most, "a number", place);
        } else if constexpr (std::is_same_v<Field, std::string>) {
          field = read_text(value, key.word_list(), place);
        } else {
          field = read_texts(value, place);
        }
      },
      key.member);
}

template void set_field(const RecipeKey<ModelRecipe>&, const YamlNode&, const std::string&,
                        const std::string&, ModelRecipe&);
template void set_field(const RecipeKey<TokenizerRecipe>&, const YamlNode&, const std::string&,
                        const std::string&, TokenizerRecipe&);
template void set_field(const RecipeKey<SourceRecipe>&, const YamlNode&, const std::string&,
                        const std::string&, SourceRecipe&);
template void set_field(const RecipeKey<DataRecipe>&, const YamlNode&, const std::string&,
                        const std::string&, DataRecipe&);
template void set_field(const RecipeKey<TrainingRecipe>&, const YamlNode&, const std::string&,
                        const std::string&, TrainingRecipe&);
template void set_field(const RecipeKey<DistillationRecipe>&, const YamlNode&, const std::string&,
                        const std::string&, DistillationRecipe&);
template void set_field(const RecipeKey<OutputRecipe>&, const YamlNode&, const std::string&,
                        const std::string&, OutputRecipe&);

}  // namespace minim::train
