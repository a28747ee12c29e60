#include "text/tools/tool_notation.h"

#include <fmt/core.h>

#include <array>

#include "base/error.h"

namespace minim {
namespace {

const std::array<ToolSyntax, kToolNotationCount>& syntaxes() {
  static const std::array<ToolSyntax, kToolNotationCount> all = {{
      {.name = "hermes",
       .begins = {"<tool_call>"},
       .end = "</tool_call>",
       .own_lines = true,
       .arguments = "arguments",
       .separator = "\n"},
      {.name = "llama", .begins = {}, .end = "", .arguments = "parameters", .separator = "; "},
      {.name = "mistral",
       .begins = {"[TOOL_CALLS]"},
       .end = "",
       .is_list = true,
       .arguments = "arguments",
       .separator = ", "},
      {.name = "mistral-args",
       .begins = {"[TOOL_CALLS]"},
       .end = "",
       .name_first = true,
       .arguments = "arguments",
       .separator = ""},
      {.name = "phi",
       .begins = {"<|tool_call|>", "functools"},
       .end = "<|/tool_call|>",
       .ends_open = true,
       .is_list = true,
       .arguments = "arguments",
       .separator = ", "},
      {.name = "gemma", .begins = {}, .end = "", .arguments = "parameters", .separator = "\n"},
      {.name = "qwen-xml",
       .begins = {"<tool_call>", ToolTags::kFunction},
       .end = "</tool_call>",
       .ends_open = true,
       .tagged = true,
       .own_lines = true,
       .arguments = "arguments",
       .separator = "\n"},
  }};
  return all;
}

std::string tagged_call(const ToolCall& call, const OrderedJson& arguments) {
  std::string text = fmt::format("{}{}>\n", ToolTags::kFunction, call.name);
  for (const auto& [name, value] : arguments.items()) {
    text += fmt::format("{}{}>\n{}\n{}\n", ToolTags::kParameter, name,
                        value.is_string() ? value.get<std::string>() : spaced_json(value),
                        ToolTags::kParameterEnd);
  }
  return text + std::string(ToolTags::kFunctionEnd);
}

std::string one_call(const ToolSyntax& syntax, const ToolCall& call) {
  const OrderedJson values = parse_ordered_json(call.arguments, "arguments of a call");
  if (syntax.tagged) return tagged_call(call, values);
  const std::string arguments = spaced_json(values);
  if (syntax.name_first) return fmt::format("{}[ARGS]{}", call.name, arguments);
  return fmt::format("{{\"name\": {}, \"{}\": {}}}", OrderedJson(call.name).dump(),
                     syntax.arguments, arguments);
}

void append_json(const OrderedJson& value, std::string& text) {
  if (!value.is_structured()) {
    text += value.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
    return;
  }
  text += value.is_object() ? '{' : '[';
  bool first = true;
  for (const auto& [key, item] : value.items()) {
    if (!first) text += ", ";
    first = false;
    if (value.is_object()) {
      text += OrderedJson(key).dump(-1, ' ', false, OrderedJson::error_handler_t::replace) + ": ";
    }
    append_json(item, text);
  }
  text += value.is_object() ? '}' : ']';
}

}  // namespace

const ToolSyntax& tool_syntax(ToolNotation notation) {
  return syntaxes()[static_cast<size_t>(notation)];
}

ToolNotation parse_tool_notation(std::string_view name) {
  std::string known;
  for (int i = 0; i < kToolNotationCount; ++i) {
    const auto notation = static_cast<ToolNotation>(i);
    if (tool_syntax(notation).name == name) return notation;
    known += fmt::format("{}{}", i == 0 ? "" : ", ", tool_syntax(notation).name);
  }
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("tools: there is no notation '{}'; there are {}", name, known));
}

std::optional<ToolNotation> detect_tool_notation(std::string_view chat_template,
                                                 std::string_view architecture) {
  const auto has = [&](std::string_view part) {
    return chat_template.find(part) != std::string_view::npos;
  };
  if (has("<tool_call>")) {
    if (has(ToolTags::kFunction)) return ToolNotation::kQwenXml;
    // Others write something else between the same marks.
    if (has("<arg_key>")) return std::nullopt;
    return ToolNotation::kHermes;
  }
  if (has("[TOOL_CALLS]"))
    return has("[ARGS]") ? ToolNotation::kMistralArgs : ToolNotation::kMistral;
  if (has("<|tool_call|>") || has("<|tool|>")) return ToolNotation::kPhi;
  // Templates that know tools in some other way.
  if (has("tool_calls") && !has("<|python_tag|>") && !has("\"parameters\"")) return std::nullopt;
  if (has("<|start_header_id|>")) return ToolNotation::kLlama;
  if (has("<start_of_turn>") || architecture.starts_with("gemma")) return ToolNotation::kGemma;
  if (has("[INST]")) return ToolNotation::kMistral;
  if (architecture.starts_with("phi")) return ToolNotation::kPhi;
  if (has("<|im_start|>") || architecture.starts_with("qwen")) return ToolNotation::kHermes;
  return std::nullopt;
}

std::string spaced_json(const OrderedJson& value) {
  std::string text;
  append_json(value, text);
  return text;
}

std::string write_tool_calls(ToolNotation notation, std::span<const ToolCall> calls) {
  const ToolSyntax& syntax = tool_syntax(notation);
  const std::string begin(syntax.begins.empty() ? "" : syntax.begins[0]);
  std::string text;
  for (size_t i = 0; i < calls.size(); ++i) {
    const std::string call = one_call(syntax, calls[i]);
    if (i > 0) text += syntax.separator;
    if (syntax.own_lines) {
      text += begin + "\n" + call + "\n" + std::string(syntax.end);
    } else {
      text += syntax.is_list ? call : begin + call;
    }
  }
  return syntax.is_list ? fmt::format("{}[{}]{}", begin, text, syntax.end) : text;
}

}  // namespace minim
