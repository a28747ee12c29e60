// What a generation may say, in the C API: constraints, and tools that a model may call. A part of
// minim.h, which includes it.
#pragma once

#include "minim/minim.h"

#if defined(__cplusplus)
extern "C" {
#endif

// ---- constraints -------------------------------------------------------------------------------

// What a text must be, compiled for a model's vocabulary: for any number of generations, from any
// thread. Compiling takes up to some 200 ms; what was compiled last is kept by the model.
typedef enum minim_constraint_kind {
  MINIM_CONSTRAINT_JSON_SCHEMA = 0,
  MINIM_CONSTRAINT_JSON_OBJECT = 1,  // any JSON object; the text is not used
  MINIM_CONSTRAINT_REGEX = 2,        // RE2's syntax; the whole text matches
  MINIM_CONSTRAINT_GRAMMAR = 3,      // GBNF
} minim_constraint_kind;

typedef enum minim_json_spacing {
  MINIM_JSON_FLEXIBLE = 0,  // as the model likes it, within bounds
  MINIM_JSON_COMPACT = 1,   // no white space
  MINIM_JSON_SPACED = 2,    // one space after , and :
} minim_json_spacing;

typedef struct minim_constraint_options {
  uint32_t struct_size;
  int32_t json_spacing;  // minim_json_spacing, of JSON
} minim_constraint_options;
#define MINIM_CONSTRAINT_OPTIONS_INIT MINIM_SIZED(minim_constraint_options)

// MINIM_FORMAT for a text that breaks its notation, MINIM_UNSUPPORTED, with keyword and path, for
// what is not supported, MINIM_LIMIT for what would take too long. `options` may be null.
MINIM_API minim_status minim_constraint_new(minim_model* model, int32_t kind, const char* text,
                                            size_t size, const minim_constraint_options* options,
                                            minim_constraint** constraint,
                                            minim_error* error) MINIM_NOEXCEPT;
MINIM_API void minim_constraint_release(minim_constraint* constraint) MINIM_NOEXCEPT;

typedef enum minim_match {
  MINIM_MATCH_NONE = 0,
  MINIM_MATCH_BEGINNING = 1,  // a text of the constraint can begin so
  MINIM_MATCH_WHOLE = 2,      // it is one
} minim_match;
MINIM_API minim_status minim_constraint_match(const minim_constraint* constraint, const char* text,
                                              size_t size, int32_t* match,
                                              minim_error* error) MINIM_NOEXCEPT;

// ---- tools -------------------------------------------------------------------------------------

typedef enum minim_tool_choice {
  MINIM_TOOL_CHOICE_AUTO = 0,      // text, calls, or both
  MINIM_TOOL_CHOICE_NONE = 1,      // no calls: the generation is as one without tools
  MINIM_TOOL_CHOICE_REQUIRED = 2,  // at least one call, and no text
} minim_tool_choice;

typedef struct minim_tools_options {
  uint32_t struct_size;
  int32_t choice;        // minim_tool_choice
  const char* name;      // the one tool that may be called; null: any
  const char* notation;  // how calls are written: "hermes", "llama", ...; null: as the model does
  int32_t single;        // nonzero: one call at most
  // Nonzero: calls are read from the text, but nothing is held to anything. Not with REQUIRED.
  int32_t unconstrained;
} minim_tools_options;
#define MINIM_TOOLS_OPTIONS_INIT MINIM_SIZED(minim_tools_options)

// `json` is an array as for OpenAI's API. Compiled as constraints are: calls are written as the
// model's family does, with arguments that are valid by their schemas. The same tools go into the
// prompt through minim_chat_options. MINIM_UNSUPPORTED where nothing tells the notation, and, with
// the tool's name, keyword and path, for schemas that are not supported. `options` may be null.
MINIM_API minim_status minim_tools_new(minim_model* model, const char* json, size_t size,
                                       const minim_tools_options* options, minim_tools** tools,
                                       minim_error* error) MINIM_NOEXCEPT;
MINIM_API void minim_tools_release(minim_tools* tools) MINIM_NOEXCEPT;
// "hermes", ...
MINIM_API const char* minim_tools_notation(const minim_tools* tools) MINIM_NOEXCEPT;

#if defined(__cplusplus)
}
#endif
