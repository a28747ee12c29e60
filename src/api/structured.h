// What minim_constraint and minim_tools stand for.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "minim/minim.h"
#include "text/grammar/constraint.h"
#include "text/tools/tool_call_parser.h"
#include "text/tools/tool_grammar.h"
#include "text/tools/tool_list.h"

// Where a text begins.
struct minim_constraint {
  minim::Constraint start;
};

struct minim_tools {
  minim::ToolList list;
  minim::ToolUse use;
  bool reads_calls = true;
  std::shared_ptr<const minim::Constraint> constraint;  // null: nothing is held to anything

  std::optional<minim::ToolCallParser> parser() const {
    if (!reads_calls) return {};
    return minim::ToolCallParser(use.notation, list);
  }
};
