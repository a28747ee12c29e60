// The third part of minim.hpp, which includes it: constraints and tools.
#pragma once

#include "minim/minim.hpp"

namespace minim {
#if !defined(MINIM_BUILDING)
inline
#endif
    namespace v1 {

enum class JsonSpacing : int32_t {
  kFlexible = MINIM_JSON_FLEXIBLE,
  kCompact = MINIM_JSON_COMPACT,
  kSpaced = MINIM_JSON_SPACED,
};

enum class Match : int32_t {
  kNone = MINIM_MATCH_NONE,
  kBeginning = MINIM_MATCH_BEGINNING,
  kWhole = MINIM_MATCH_WHOLE,
};

// What a text must be; for any number of generations of its model's sessions.
class Constraint {
 public:
  static Constraint json_schema(const Model& model, std::string_view schema,
                                JsonSpacing spacing = JsonSpacing::kFlexible) {
    return Constraint(model, MINIM_CONSTRAINT_JSON_SCHEMA, schema, spacing);
  }
  // Any object.
  static Constraint json_object(const Model& model, JsonSpacing spacing = JsonSpacing::kFlexible) {
    return Constraint(model, MINIM_CONSTRAINT_JSON_OBJECT, "", spacing);
  }
  // RE2's syntax; the whole text matches.
  static Constraint regex(const Model& model, std::string_view pattern) {
    return Constraint(model, MINIM_CONSTRAINT_REGEX, pattern, JsonSpacing::kFlexible);
  }
  // GBNF.
  static Constraint grammar(const Model& model, std::string_view rules) {
    return Constraint(model, MINIM_CONSTRAINT_GRAMMAR, rules, JsonSpacing::kFlexible);
  }

  Match match(std::string_view text) const {
    int32_t result = 0;
    detail::call([&](minim_error* error) {
      return minim_constraint_match(get(), text.data(), text.size(), &result, error);
    });
    return static_cast<Match>(result);
  }

  minim_constraint* get() const { return handle_.get(); }

 private:
  Constraint(const Model& model, minim_constraint_kind kind, std::string_view text,
             JsonSpacing spacing) {
    auto c = detail::sized<minim_constraint_options>();
    c.json_spacing = static_cast<int32_t>(spacing);
    minim_constraint* constraint = nullptr;
    detail::call([&](minim_error* error) {
      return minim_constraint_new(model.get(), kind, text.data(), text.size(), &c, &constraint,
                                  error);
    });
    handle_ = {constraint, nullptr};
  }

  detail::Handle<minim_constraint, minim_constraint_release> handle_;
};

enum class ToolChoice : int32_t {
  kAuto = MINIM_TOOL_CHOICE_AUTO,
  kNone = MINIM_TOOL_CHOICE_NONE,
  kRequired = MINIM_TOOL_CHOICE_REQUIRED,
};

struct ToolOptions {
  ToolChoice choice = ToolChoice::kAuto;
  std::string name = {};       // the one tool that may be called; empty: any
  std::string notation = {};   // "hermes", "llama", ...; empty: as the model does
  bool single = false;         // one call at most
  bool unconstrained = false;  // calls are read from the text, but nothing is held to anything
};

// Tools that a model may call: a JSON array as for OpenAI's API, which goes into the prompt through
// ChatOptions.
class Tools {
 public:
  Tools(const Model& model, std::string_view json, const ToolOptions& options = {}) {
    auto c = detail::sized<minim_tools_options>();
    c.choice = static_cast<int32_t>(options.choice);
    c.name = options.name.empty() ? nullptr : options.name.c_str();
    c.notation = options.notation.empty() ? nullptr : options.notation.c_str();
    c.single = options.single ? 1 : 0;
    c.unconstrained = options.unconstrained ? 1 : 0;
    minim_tools* tools = nullptr;
    detail::call([&](minim_error* error) {
      return minim_tools_new(model.get(), json.data(), json.size(), &c, &tools, error);
    });
    handle_ = {tools, nullptr};
  }

  std::string_view notation() const { return minim_tools_notation(get()); }
  minim_tools* get() const { return handle_.get(); }

 private:
  detail::Handle<minim_tools, minim_tools_release> handle_;
};

}  // namespace v1
}  // namespace minim
