// GBNF, the notation of llama.cpp's grammars.
#pragma once

#include <string_view>

#include "text/grammar/grammar.h"

namespace minim {

// Rules ("name ::= ..."), literals, classes of characters, `.`, groups, alternatives, repetitions
// (*, +, ?, {m}, {m,}, {m,n}), escapes and comments; a text follows the rule `root`. Rules may
// begin with themselves. Throws kFormat with line and column, kUnsupported for tokens by name
// (<[1000]>, <think>), kLimit.
Grammar parse_gbnf(std::string_view text, const GrammarLimits& limits = {});

}  // namespace minim
