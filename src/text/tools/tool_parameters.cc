#include "text/tools/tool_parameters.h"

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "text/schema/schema_document.h"
#include "text/schema/schema_shape.h"

namespace minim {
namespace {

std::map<std::string, uint8_t> kinds_of(const Tool& tool) {
  std::map<std::string, uint8_t> result;
  Grammar scratch;
  const SchemaDocument document(tool.parameters);
  SchemaShapes shapes(document, scratch);
  const std::vector<SchemaShape> whole = shapes.of({&tool.parameters});
  for (const SchemaShape& shape : whole) {
    for (const OrderedJson* schema : shape.objects) {
      const auto properties = schema->find("properties");
      if (properties == schema->end()) continue;
      for (const auto& [name, unused] : properties->items()) {
        const std::vector<SchemaShape> own = shapes.of(shapes.property(shape, name));
        for (const SchemaShape& one : own) result[name] |= one.kinds;
      }
    }
  }
  return result;
}

std::optional<OrderedJson> parse(std::string_view text) {
  try {
    return parse_ordered_json(text, "argument", {.depth_max = 64});
  } catch (const Error&) {
    return std::nullopt;
  }
}

// True and None as Python writes them, which models do as well.
std::optional<OrderedJson> read_word(std::string_view text) {
  if (text == "True") return true;
  if (text == "False") return false;
  if (text == "None") return nullptr;
  return std::nullopt;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \n\r\t";
  const size_t begin = std::min(text.find_first_not_of(kSpace), text.size());
  return text.substr(begin, text.find_last_not_of(kSpace) + 1 - begin);
}

}  // namespace

ToolParameters::ToolParameters(const ToolList& list) {
  for (const Tool& tool : list.tools) {
    try {
      kinds_[tool.name] = kinds_of(tool);
    } catch (const Error&) {
      // What the schema means is not known; as its grammar says, where it is asked for.
    }
  }
}

OrderedJson ToolParameters::read(const std::string& tool, const std::string& parameter,
                                 std::string_view text) const {
  std::optional<uint8_t> kinds;
  if (const auto known = kinds_.find(tool); known != kinds_.end()) {
    const auto own = known->second.find(parameter);
    if (own != known->second.end()) kinds = own->second;
  }
  if (kinds == kStringKind) return std::string(text);
  const std::string_view inside = trimmed(text);
  std::optional<OrderedJson> value = parse(inside);
  if (!value && kinds) value = read_word(inside);
  const bool may_be_text = !kinds || (*kinds & kStringKind) != 0;
  const bool fits = value && (!kinds || (kind_of(*value) & *kinds) != 0);
  const bool is_text = !value || (may_be_text && (!fits || value->is_string()));
  return is_text ? OrderedJson(std::string(text)) : *value;
}

}  // namespace minim
