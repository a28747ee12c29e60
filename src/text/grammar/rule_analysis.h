// What the rules of a grammar are to each other: which recur, which match the empty text, which
// are called by the automata of others and which become part of them.
#pragma once

#include <vector>

#include "text/grammar/grammar.h"

namespace minim {

struct RuleAnalysis {
  std::vector<bool> nullable;
  std::vector<bool> called;       // rules that recur other than at their own end, and large ones
  std::vector<RuleId> reachable;  // from the start
};

// Rewrites rules that begin with themselves ("a ::= a x | y") as repetitions. Throws kFormat for a
// rule that is used and not defined, kLimit.
RuleAnalysis analyze_rules(Grammar& grammar);

}  // namespace minim
