// What a model may say that has tools: plain text, or calls whose arguments are valid.
#pragma once

#include <string>

#include "text/grammar/grammar.h"
#include "text/tools/tool_list.h"
#include "text/tools/tool_notation.h"

namespace minim {

enum class ToolChoice {
  kAuto,      // text, and then calls or none
  kRequired,  // at least one call, and no text
};

struct ToolUse {
  ToolNotation notation = ToolNotation::kHermes;
  ToolChoice choice = ToolChoice::kAuto;
  std::string name;      // the only tool that may be called; empty: any
  bool parallel = true;  // several calls in one answer
  bool operator==(const ToolUse&) const = default;
};

// Calls are written as write_tool_calls() does, arguments in the order of their schema; text holds
// no beginning of a call. Throws kInvalidArgument for a name that is not in the list, and what
// schema_grammar() throws, with the tool's name before it.
Grammar tool_grammar(const ToolList& list, const ToolUse& use, const GrammarLimits& limits = {});

}  // namespace minim
