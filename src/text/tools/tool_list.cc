#include "text/tools/tool_list.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <utility>

#include "base/error.h"

namespace minim {
namespace {

constexpr size_t kTextBytesMax = size_t{1} << 20;

[[noreturn]] void refuse(size_t index, const std::string& what) {
  throw Error(ErrorCode::kFormat, fmt::format("tools: tool {}: {}", index, what));
}

std::string text_of(const OrderedJson& function, const char* key, size_t index) {
  if (!function.contains(key)) return {};
  const OrderedJson& value = function[key];
  if (!value.is_string()) refuse(index, fmt::format("'{}' must be a string", key));
  return value.get<std::string>();
}

// What models can write in every notation.
void check_name(const std::string& name, size_t index) {
  const auto fits = [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '_' || c == '-' || c == '.';
  };
  if (name.empty()) refuse(index, "'name' is missing");
  if (name.size() <= ToolList::kNameBytesMax && std::all_of(name.begin(), name.end(), fits)) return;
  refuse(index, fmt::format("the name '{}' must be 1 to {} letters, digits, '_', '-' and '.'",
                            name.substr(0, 2 * ToolList::kNameBytesMax), ToolList::kNameBytesMax));
}

// A call names parameters that the tool lists, unless its schema says that there are others.
void close(OrderedJson& parameters) {
  const OrderedJson required = parameters.value("required", OrderedJson::array());
  for (const OrderedJson& name : required) {
    const bool listed = name.is_string() && parameters.contains("properties") &&
                        parameters["properties"].is_object() &&
                        parameters["properties"].contains(name.get<std::string>());
    if (!listed) return;
  }
  for (const char* key : {"additionalProperties", "patternProperties", "unevaluatedProperties",
                          "allOf", "anyOf", "oneOf", "$ref", "if", "enum", "const"}) {
    if (parameters.contains(key)) return;
  }
  parameters["additionalProperties"] = false;
}

OrderedJson parameters_of(const OrderedJson& function, size_t index) {
  OrderedJson parameters = {{"type", "object"}, {"properties", OrderedJson::object()}};
  if (function.contains("parameters") && !function["parameters"].is_null()) {
    parameters = function["parameters"];
  }
  if (!parameters.is_object()) refuse(index, "'parameters' must be a JSON schema of an object");
  if (!parameters.contains("type")) parameters["type"] = "object";
  if (parameters["type"] != "object") {
    refuse(index, fmt::format("'parameters' must be of type \"object\", not {}",
                              parameters["type"].dump().substr(0, 80)));
  }
  close(parameters);
  return parameters;
}

Tool parse_tool(const OrderedJson& entry, size_t index) {
  if (!entry.is_object()) refuse(index, "must be a JSON object");
  const bool wrapped = entry.contains("function");
  if (entry.contains("type") && entry["type"] != "function") {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("tools: tool {}: the type {} is not supported; only \"function\" is",
                            index, entry["type"].dump().substr(0, 80)));
  }
  const OrderedJson& function = wrapped ? entry["function"] : entry;
  if (!function.is_object()) refuse(index, "'function' must be a JSON object");
  Tool tool;
  tool.name = text_of(function, "name", index);
  check_name(tool.name, index);
  tool.description = text_of(function, "description", index);
  tool.parameters = parameters_of(function, index);
  return tool;
}

}  // namespace

const Tool* ToolList::find(std::string_view name) const {
  const auto at =
      std::find_if(tools.begin(), tools.end(), [&](const Tool& tool) { return tool.name == name; });
  return at == tools.end() ? nullptr : &*at;
}

OrderedJson ToolList::json() const {
  OrderedJson list = OrderedJson::array();
  for (const Tool& tool : tools) {
    list.push_back({{"type", "function"},
                    {"function",
                     {{"name", tool.name},
                      {"description", tool.description},
                      {"parameters", tool.parameters}}}});
  }
  return list;
}

ToolList parse_tools(std::string_view text) {
  return read_tools(
      parse_ordered_json(text, "tools", {.bytes_max = kTextBytesMax, .depth_max = 200}));
}

ToolList read_tools(const OrderedJson& list) {
  if (!list.is_array()) {
    throw Error(ErrorCode::kFormat,
                "tools: must be a JSON array: [{\"type\": \"function\", \"function\": {...}}]");
  }
  if (list.empty()) throw Error(ErrorCode::kFormat, "tools: the list is empty");
  if (list.size() > ToolList::kToolsMax) {
    throw Error(ErrorCode::kLimit, fmt::format("tools: there are {}, and at most {} can be given",
                                               list.size(), ToolList::kToolsMax));
  }
  ToolList result;
  for (size_t i = 0; i < list.size(); ++i) {
    Tool tool = parse_tool(list[i], i);
    if (result.find(tool.name) != nullptr) {
      refuse(i, fmt::format("there is a tool '{}' before it", tool.name));
    }
    result.tools.push_back(std::move(tool));
  }
  return result;
}

}  // namespace minim
