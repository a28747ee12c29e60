// JSON schemas as grammars of the texts that are valid by them.
#pragma once

#include <string_view>

#include "base/json.h"
#include "text/grammar/grammar.h"

namespace minim {

enum class JsonSpacing {
  kFlexible,  // any indentation up to 32 columns, a space after , and :, or neither
  kCompact,   // no white space at all
  kSpaced,    // exactly one space after , and :
};

struct SchemaOptions {
  JsonSpacing spacing = JsonSpacing::kFlexible;
};

// Properties come in the order in which the schema lists them, then required ones that it does not
// list, then others. Throws kFormat for what is no schema, kUnsupported for keywords that are not
// supported, with their path, and kLimit. docs/structured-output.md has the list.
Grammar schema_grammar(const OrderedJson& schema, const SchemaOptions& options = {},
                       const GrammarLimits& limits = {});
// The same as a part of a grammar that has others.
ExpressionId add_schema(Grammar& grammar, const OrderedJson& schema,
                        const SchemaOptions& options = {});

// How the members of an object are written outside of JSON: each name between two marks, then its
// value up to a third; text as it is, other values as JSON.
struct MemberTags {
  std::string_view name_begin, name_end, value_end;
  std::string_view mark;  // of the end: no text holds it
};
// The members of the objects that are valid by `schema`, in its order; those that it does not list
// have names of letters, digits, '_', '-' and '.'. Throws kUnsupported, besides, for names that
// cannot be written so.
ExpressionId add_tagged_members(Grammar& grammar, const OrderedJson& schema, const MemberTags& tags,
                                const SchemaOptions& options = {});
// From the text of a schema.
Grammar parse_schema_grammar(std::string_view text, const SchemaOptions& options = {},
                             const GrammarLimits& limits = {});
// Any JSON object: what "json_object" asks for.
Grammar json_object_grammar(const SchemaOptions& options = {});

}  // namespace minim
