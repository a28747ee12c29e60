// Deterministic automata over bytes, which may also call others: the regular pieces of a grammar.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "text/grammar/budget.h"

namespace minim {

// State 0 is the start. Every state can be reached and can reach an end, so one without states
// accepts nothing.
struct Automaton {
  struct Edge {
    uint8_t first = 0, last = 0;  // bytes
    uint32_t target = 0;
  };
  // Goes on at `target` after whatever the automaton `callee` accepts.
  struct Call {
    uint32_t callee = 0;
    uint32_t target = 0;
  };
  struct State {
    std::vector<Edge> edges;  // sorted, apart from each other
    std::vector<Call> calls;  // one for each callee
    bool accepts = false;
  };
  std::vector<State> states;

  bool accepts_nothing() const { return states.empty(); }
  bool has_calls() const;
  // REQUIRES: !has_calls().
  bool matches(std::string_view text) const;
};

// Without states that cannot reach an end. `callable[i]`: whether what calls say of callee i can
// be done at all.
Automaton trim(const Automaton& automaton, const std::vector<bool>& callable, Budget& budget);

// The smallest automaton that accepts the same, in time O(n log n) (A. Valmari, "Fast brief
// practical DFA minimization", 2012). REQUIRES: trimmed.
Automaton minimize(const Automaton& automaton, Budget& budget);

// REQUIRES for these: no calls.
Automaton intersect(const Automaton& a, const Automaton& b, Budget& budget);
// What `a` accepts and `b` does not.
Automaton subtract(const Automaton& a, const Automaton& b, Budget& budget);

}  // namespace minim
