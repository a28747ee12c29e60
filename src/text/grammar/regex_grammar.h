// Regular expressions as grammars: RE2's syntax, or that of JSON Schema's patterns (ECMA-262).
#pragma once

#include <string_view>

#include "text/grammar/grammar.h"

namespace minim {

enum class RegexDialect { kRe2, kEcma };

struct RegexOptions {
  RegexDialect dialect = RegexDialect::kRe2;
  bool case_insensitive = false;
  // The pattern may match anywhere in a text; otherwise a text matches as a whole.
  bool search = false;
};

// What matches. Throws kFormat for a pattern that is no regular expression, with the place;
// kUnsupported, by name, for what no linear-time engine can do (look-around, back-references,
// atomic groups) and for word boundaries and modes of lines; kLimit.
ExpressionId parse_regex(Grammar& grammar, std::string_view pattern,
                         const RegexOptions& options = {});

Grammar regex_grammar(std::string_view pattern, const RegexOptions& options = {},
                      const GrammarLimits& limits = {});

}  // namespace minim
