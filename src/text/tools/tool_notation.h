// How families of models write that they call a tool: the same call in the words of each.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace minim {

enum class ToolNotation {
  kHermes,       // <tool_call>, JSON, </tool_call>: Hermes, Qwen, and minim's own models
  kLlama,        // {"name": ..., "parameters": ...} is the answer: Llama 3
  kMistral,      // [TOOL_CALLS] and a list of calls: Mistral up to 2024
  kMistralArgs,  // [TOOL_CALLS]name[ARGS]{...}: Mistral since 2025
  kPhi,          // <|tool_call|>, a list of calls, <|/tool_call|>: Phi-4-mini
  kGemma,        // as kLlama, also within ```: Gemma, which has no tokens for it
  kQwenXml,      // <tool_call>, <function=...>, <parameter=...>, their ends: Qwen3-Coder
};
constexpr int kToolNotationCount = 7;

// What a call is made of.
struct ToolSyntax {
  const char* name;  // "hermes", ...
  // What begins a call: the first one is written, all are read. Without any, calls are the whole
  // answer.
  std::vector<std::string_view> begins;
  std::string_view end;        // what is written after it, and may be missing where ends_open
  bool ends_open = false;      // for a text that begins otherwise than it is written
  bool is_list = false;        // one JSON list holds all calls
  bool name_first = false;     // name[ARGS]arguments in place of a JSON object
  bool tagged = false;         // <function=name> and its parameters in place of a JSON object
  bool own_lines = false;      // the marks stand on lines of their own
  std::string_view arguments;  // the key of the arguments
  std::string_view separator;  // written between two calls
};
const ToolSyntax& tool_syntax(ToolNotation notation);

// The marks of a tagged call; the name and each value stand between them.
struct ToolTags {
  static constexpr std::string_view kFunction = "<function=", kFunctionEnd = "</function>";
  static constexpr std::string_view kParameter = "<parameter=", kParameterEnd = "</parameter>";
};

// By the name of a syntax. Throws kInvalidArgument, listing those there are.
ToolNotation parse_tool_notation(std::string_view name);
// What the model's chat template writes or, where it knows no tools, what its family reads; nothing
// where neither tells.
std::optional<ToolNotation> detect_tool_notation(std::string_view chat_template,
                                                 std::string_view architecture);

struct ToolCall {
  std::string name;
  std::string arguments;  // a JSON object on one line
  bool operator==(const ToolCall&) const = default;
};

// The text that makes these calls. A tagged text that holds the mark of its end is written as it
// is all the same, and read as less. REQUIRES: arguments are JSON objects.
std::string write_tool_calls(ToolNotation notation, std::span<const ToolCall> calls);
// With a space after , and : as models write it.
std::string spaced_json(const OrderedJson& value);

}  // namespace minim
