// Expressions as a non-deterministic automaton, and from there to a deterministic one.
#pragma once

#include <cstdint>
#include <vector>

#include "text/grammar/grammar.h"
#include "text/grammar/key_index.h"

namespace minim {

// Built backwards: each expression knows what follows it, and an expression that is followed by
// the same is built once. So lists of optional things take linear space, and rules that recur at
// their own end become loops.
class Nfa {
 public:
  using State = uint32_t;
  static constexpr State kEnd = 0;

  // called[r]: rule r is called; the others are put in place. nullable[r]: it matches the empty
  // text.
  Nfa(Grammar& grammar, const std::vector<bool>& called, const std::vector<bool>& nullable);

  // The state from which `expression`, and then all of `next`, is accepted.
  State build(ExpressionId expression, State next);
  // Trimmed of nothing, not minimal.
  Automaton determinize(State start);

 private:
  enum class Kind : uint8_t { kFree, kBytes, kCall };
  struct Link {
    Kind kind;
    uint8_t first, last;
    uint32_t callee;
    State target;
    uint32_t next;  // of the same state; kNoLink
  };
  static constexpr uint32_t kNoLink = UINT32_MAX;
  class Subsets;

  State add_state();
  void add_link(State state, Link link);
  void add_free(State state, State target) { add_link(state, {Kind::kFree, 0, 0, 0, target, 0}); }
  State build_new(ExpressionId expression, State next, State self);
  State build_literal(std::string_view bytes, State next);
  State build_characters(const Utf8Automaton& characters, State next, State self);
  State build_repeat(ExpressionId part, uint32_t min, uint32_t max, State next);
  State build_automaton(const Automaton& automaton, State next);
  State bytes_to(ByteRange range, State target);

  Grammar& grammar_;
  const std::vector<bool>& called_;
  const std::vector<bool>& nullable_;
  std::vector<uint32_t> heads_;
  std::vector<Link> links_;
  KeyIndex built_;
  KeyIndex tails_;             // states with one link, by that
  std::vector<State> places_;  // of a character's nodes
  uint32_t depth_ = 0;
};

}  // namespace minim
