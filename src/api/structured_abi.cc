#include <fmt/core.h>

#include <utility>

#include "api/arguments.h"
#include "api/guard.h"
#include "api/model.h"
#include "api/structured.h"

namespace minim::api {
namespace {

ConstraintKind constraint_kind(int32_t kind) {
  switch (enum_argument<minim_constraint_kind>(kind, 4, "kind")) {
    case MINIM_CONSTRAINT_JSON_SCHEMA: return ConstraintKind::kSchema;
    case MINIM_CONSTRAINT_JSON_OBJECT: return ConstraintKind::kJsonObject;
    case MINIM_CONSTRAINT_REGEX: return ConstraintKind::kRegex;
    case MINIM_CONSTRAINT_GRAMMAR: return ConstraintKind::kGbnf;
  }
  return ConstraintKind::kSchema;
}

JsonSpacing json_spacing(const minim_constraint_options& options) {
  switch (enum_argument<minim_json_spacing>(options.json_spacing, 3, "json_spacing")) {
    case MINIM_JSON_FLEXIBLE: return JsonSpacing::kFlexible;
    case MINIM_JSON_COMPACT: return JsonSpacing::kCompact;
    case MINIM_JSON_SPACED: return JsonSpacing::kSpaced;
  }
  return JsonSpacing::kFlexible;
}

int32_t match_text(const Constraint& start, std::string_view text) {
  Constraint constraint = start;
  if (!text.empty() && !constraint.accept_text(text)) return MINIM_MATCH_NONE;
  return constraint.is_complete() ? MINIM_MATCH_WHOLE : MINIM_MATCH_BEGINNING;
}

void check_tools_options(const minim_tools_options& options, const ToolList& list) {
  const auto choice = enum_argument<minim_tool_choice>(options.choice, 3, "choice");
  if (options.name != nullptr && list.find(options.name) == nullptr) {
    refuse(fmt::format("'name' is '{}', and there is no such tool", options.name));
  }
  if (options.unconstrained != 0 && choice == MINIM_TOOL_CHOICE_REQUIRED) {
    refuse("a call cannot be 'required' of an 'unconstrained' generation");
  }
}

minim_tools make_tools(OpenModel& model, std::string_view json,
                       const minim_tools_options& options) {
  minim_tools tools;
  tools.list = parse_tools(json);
  check_tools_options(options, tools.list);
  const bool required = options.choice == MINIM_TOOL_CHOICE_REQUIRED;
  tools.use = {.notation = model.tool_notation(options.notation),
               .choice = required ? ToolChoice::kRequired : ToolChoice::kAuto,
               .name = options.name == nullptr ? "" : options.name,
               .parallel = options.single == 0};
  tools.reads_calls = options.choice != MINIM_TOOL_CHOICE_NONE;
  if (options.unconstrained != 0 || !tools.reads_calls) return tools;
  tools.constraint = std::make_shared<Constraint>(model.constraints().make(
      {ConstraintKind::kTools, std::string(json), JsonSpacing::kSpaced, tools.use}));
  return tools;
}

}  // namespace
}  // namespace minim::api

using minim::api::guard;
using minim::api::read_struct;
using minim::api::required;
using minim::api::text_argument;

minim_status minim_constraint_new(minim_model* model, int32_t kind, const char* text, size_t size,
                                  const minim_constraint_options* options,
                                  minim_constraint** constraint, minim_error* error) noexcept {
  return guard(error, [&] {
    minim_constraint*& result = required(constraint, "constraint");
    minim::api::OpenModel& source = *required(model, "model").shared;
    const minim_constraint_options defaults = MINIM_CONSTRAINT_OPTIONS_INIT;
    const auto wanted = read_struct(options, defaults, "options");
    minim::ConstraintSource from = {.kind = minim::api::constraint_kind(kind),
                                    .spacing = minim::api::json_spacing(wanted)};
    if (from.kind != minim::ConstraintKind::kJsonObject)
      from.text = text_argument(text, size, "text");
    result = new minim_constraint{source.constraints().make(from)};
  });
}

void minim_constraint_release(minim_constraint* constraint) noexcept { delete constraint; }

minim_status minim_constraint_match(const minim_constraint* constraint, const char* text,
                                    size_t size, int32_t* match, minim_error* error) noexcept {
  return guard(error, [&] {
    int32_t& result = required(match, "match");
    result = minim::api::match_text(required(constraint, "constraint").start,
                                    text_argument(text, size, "text"));
  });
}

minim_status minim_tools_new(minim_model* model, const char* json, size_t size,
                             const minim_tools_options* options, minim_tools** tools,
                             minim_error* error) noexcept {
  return guard(error, [&] {
    minim_tools*& result = required(tools, "tools");
    minim::api::OpenModel& source = *required(model, "model").shared;
    const minim_tools_options defaults = MINIM_TOOLS_OPTIONS_INIT;
    result = new minim_tools(minim::api::make_tools(source, text_argument(json, size, "json"),
                                                    read_struct(options, defaults, "options")));
  });
}

void minim_tools_release(minim_tools* tools) noexcept { delete tools; }

const char* minim_tools_notation(const minim_tools* tools) noexcept {
  return tools == nullptr ? "" : minim::tool_syntax(tools->use.notation).name;
}
