#include "text/tools/tool_grammar.h"

#include <fmt/core.h>

#include <utility>
#include <vector>

#include "base/error.h"
#include "text/schema/schema_grammar.h"

namespace minim {
namespace {

constexpr uint32_t kUnbounded = Grammar::kUnbounded;

class Builder {
 public:
  Builder(const ToolList& list, const ToolUse& use, const GrammarLimits& limits)
      : list_(list), use_(use), syntax_(tool_syntax(use.notation)), grammar_(limits) {}

  Grammar build() {
    const ExpressionId calls = all_calls();
    ExpressionId start = calls;
    if (use_.choice == ToolChoice::kAuto) {
      start = syntax_.begins.empty()
                  ? grammar_.choice({calls, whole_answer()})
                  : grammar_.sequence({text_without_calls(), grammar_.optional(calls)});
    }
    grammar_.set_start(start);
    return std::move(grammar_);
  }

 private:
  std::string begin() const { return std::string(syntax_.begins.empty() ? "" : syntax_.begins[0]); }

  ExpressionId arguments_of(const Tool& tool) {
    static constexpr MemberTags kTags = {ToolTags::kParameter, ">\n", "\n</parameter>\n",
                                         ToolTags::kParameterEnd};
    try {
      if (syntax_.tagged) {
        return add_tagged_members(grammar_, tool.parameters, kTags, {JsonSpacing::kSpaced});
      }
      return add_schema(grammar_, tool.parameters, {JsonSpacing::kSpaced});
    } catch (const Error& error) {
      throw Error(error.code(), fmt::format("tools: '{}': {}", tool.name, error.what()));
    }
  }

  ExpressionId call_of(const Tool& tool) {
    const ExpressionId arguments = arguments_of(tool);
    if (syntax_.tagged) {
      return grammar_.sequence(
          {grammar_.literal(fmt::format("{}{}>\n", ToolTags::kFunction, tool.name)), arguments,
           grammar_.literal(ToolTags::kFunctionEnd)});
    }
    if (syntax_.name_first) {
      return grammar_.sequence({grammar_.literal(tool.name + "[ARGS]"), arguments});
    }
    std::vector<ExpressionId> parts = {
        grammar_.literal(fmt::format("{{\"name\": \"{}\", \"{}\": ", tool.name, syntax_.arguments)),
        arguments};
    // Mistral's models may give a call a name of nine characters.
    if (use_.notation == ToolNotation::kMistral) {
      const CharacterSet letters = {{'0', '9'}, {'A', 'Z'}, {'a', 'z'}};
      parts.push_back(grammar_.optional(grammar_.sequence(
          {grammar_.literal(", \"id\": \""), grammar_.repeat(grammar_.characters(letters), 9, 9),
           grammar_.literal("\"")})));
    }
    parts.push_back(grammar_.literal("}"));
    return grammar_.sequence(std::move(parts));
  }

  ExpressionId one_call() {
    std::vector<ExpressionId> calls;
    for (const Tool& tool : list_.tools) {
      if (use_.name.empty() || tool.name == use_.name) calls.push_back(call_of(tool));
    }
    if (!calls.empty()) return grammar_.choice(std::move(calls));
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("tools: '{}' is to be called, but is not in the list", use_.name));
  }

  ExpressionId all_calls() {
    ExpressionId call = one_call();
    if (syntax_.own_lines) {
      call = grammar_.sequence({grammar_.literal(begin() + "\n"), call,
                                grammar_.literal("\n" + std::string(syntax_.end))});
    } else if (!syntax_.is_list) {
      call = grammar_.sequence({grammar_.literal(begin()), call});
    }
    ExpressionId calls = call;
    if (use_.parallel) {
      const ExpressionId next = grammar_.sequence({grammar_.literal(syntax_.separator), call});
      calls = grammar_.sequence({call, grammar_.repeat(next, 0, kUnbounded)});
    }
    if (!syntax_.is_list) return calls;
    return grammar_.sequence(
        {grammar_.literal(begin() + "["), calls, grammar_.literal("]" + std::string(syntax_.end))});
  }

  ExpressionId any_text() {
    return grammar_.repeat(grammar_.characters(CharacterSet::all()), 0, kUnbounded);
  }

  ExpressionId except(ExpressionId some) {
    const Automaton all = build_automaton(grammar_, any_text());
    const Automaton less = build_automaton(grammar_, some);
    return grammar_.automaton(subtract(all, less, grammar_.budget()));
  }

  ExpressionId text_without_calls() {
    std::vector<ExpressionId> marks;
    for (const std::string_view mark : syntax_.begins) marks.push_back(grammar_.literal(mark));
    return except(grammar_.sequence({any_text(), grammar_.choice(std::move(marks)), any_text()}));
  }

  // Where a call has no mark, an answer in words does not begin as one.
  ExpressionId whole_answer() {
    const ExpressionId space = grammar_.characters({{' ', ' '}, {'\n', '\n'}, {'\t', '\t'}});
    return except(grammar_.sequence(
        {grammar_.repeat(space, 0, kUnbounded), grammar_.literal("{"), any_text()}));
  }

  const ToolList& list_;
  const ToolUse& use_;
  const ToolSyntax& syntax_;
  Grammar grammar_;
};

}  // namespace

Grammar tool_grammar(const ToolList& list, const ToolUse& use, const GrammarLimits& limits) {
  return Builder(list, use, limits).build();
}

}  // namespace minim
