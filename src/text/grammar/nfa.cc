#include "text/grammar/nfa.h"

#include <fmt/format.h>

#include "base/error.h"

namespace minim {

Nfa::Nfa(Grammar& grammar, const std::vector<bool>& called, const std::vector<bool>& nullable)
    : grammar_(grammar), called_(called), nullable_(nullable) {
  add_state();  // kEnd
}

Nfa::State Nfa::add_state() {
  // Several of these make one state of an automaton, seldom the other way round.
  if (heads_.size() >= size_t{3} * grammar_.budget().limits().states_max) {
    grammar_.budget().check_states(UINT64_MAX);
  }
  grammar_.budget().spend(2);
  heads_.push_back(kNoLink);
  return State(heads_.size() - 1);
}

void Nfa::add_link(State state, Link link) {
  grammar_.budget().spend(1);
  link.next = heads_[state];
  heads_[state] = uint32_t(links_.size());
  links_.push_back(link);
}

Nfa::State Nfa::build(ExpressionId expression, State next) {
  if (expression == Grammar::kEmpty) return next;
  uint32_t& known = built_[uint64_t{expression} << 32 | next];
  if (known != KeyIndex::kAbsent) return known;
  const uint32_t depth_max = 3 * grammar_.budget().limits().depth_max;
  if (++depth_ > depth_max) {
    throw Error(ErrorCode::kLimit,
                fmt::format("grammar: rules are nested in rules more than {} deep", depth_max));
  }
  // Known before its inside is built, for rules that recur at their own end.
  const State self = known = add_state();
  const State inside = build_new(expression, next, self);
  if (inside != self) add_free(self, inside);
  --depth_;
  return self;
}

Nfa::State Nfa::build_new(ExpressionId id, State next, State self) {
  const Grammar::Expression& e = grammar_[id];
  switch (e.kind) {
    case Grammar::Kind::kNothing: return self;
    case Grammar::Kind::kEmpty: return next;
    case Grammar::Kind::kLiteral: return build_literal(grammar_.literal_bytes(e), next);
    case Grammar::Kind::kCharacters: return build_characters(grammar_.utf8_of(e), next, self);
    case Grammar::Kind::kSequence:
      for (size_t i = e.parts.size(); i-- > 0;) next = build(e.parts[i], next);
      return next;
    case Grammar::Kind::kChoice:
      for (const ExpressionId part : e.parts) add_free(self, build(part, next));
      return self;
    case Grammar::Kind::kRepeat: return build_repeat(e.parts[0], e.min, e.max, next);
    case Grammar::Kind::kAutomaton: return build_automaton(grammar_.automaton_of(e), next);
    case Grammar::Kind::kRule: break;
  }
  if (!called_[e.index]) return build(grammar_.rules()[e.index].body, next);
  add_link(self, {Kind::kCall, 0, 0, e.index, next, 0});
  if (nullable_[e.index]) add_free(self, next);
  return self;
}

Nfa::State Nfa::build_literal(std::string_view bytes, State next) {
  for (size_t i = bytes.size(); i-- > 0;) {
    next = bytes_to({uint8_t(bytes[i]), uint8_t(bytes[i])}, next);
  }
  return next;
}

Nfa::State Nfa::bytes_to(ByteRange range, State target) {
  grammar_.budget().spend(1);
  uint32_t& known = tails_[uint64_t{range.first} << 40 | uint64_t{range.last} << 32 | target];
  if (known != KeyIndex::kAbsent) return known;
  const State state = known = add_state();
  add_link(state, {Kind::kBytes, range.first, range.last, 0, target, 0});
  return state;
}

Nfa::State Nfa::build_characters(const Utf8Automaton& characters, State next, State self) {
  const uint32_t start = characters.node_count() - 1;
  places_.assign(start + 1, self);
  places_[0] = next;
  for (uint32_t node = 1; node <= start; ++node) {
    const uint32_t begin = characters.begins[node], end = characters.begins[node + 1];
    if (node < start && end == begin + 1) {
      const Utf8Automaton::Edge& edge = characters.edges[begin];
      places_[node] = bytes_to({edge.first, edge.last}, places_[edge.target]);
      continue;
    }
    if (node < start) places_[node] = add_state();
    for (uint32_t i = begin; i < end; ++i) {
      const Utf8Automaton::Edge& edge = characters.edges[i];
      add_link(places_[node], {Kind::kBytes, edge.first, edge.last, 0, places_[edge.target], 0});
    }
  }
  return self;
}

Nfa::State Nfa::build_repeat(ExpressionId part, uint32_t min, uint32_t max, State next) {
  State state = next;
  if (max == Grammar::kUnbounded) {
    state = add_state();
    add_free(state, next);
    add_free(state, build(part, state));
  } else {
    for (uint32_t i = min; i < max; ++i) {
      const State inner = build(part, state);
      state = add_state();
      add_free(state, next);
      add_free(state, inner);
    }
  }
  for (uint32_t i = 0; i < min; ++i) {
    const State before = state;
    state = build(part, state);
    // A part that matches the empty text alone.
    if (state == before) break;
  }
  return state;
}

Nfa::State Nfa::build_automaton(const Automaton& automaton, State next) {
  const State first = State(heads_.size());
  for (size_t i = 0; i < automaton.states.size(); ++i) add_state();
  for (State i = 0; i < automaton.states.size(); ++i) {
    for (const Automaton::Edge& edge : automaton.states[i].edges) {
      add_link(first + i, {Kind::kBytes, edge.first, edge.last, 0, first + edge.target, 0});
    }
    if (automaton.states[i].accepts) add_free(first + i, next);
  }
  return first;
}

Automaton build_automaton(Grammar& grammar, ExpressionId expression) {
  const std::vector<bool> none(grammar.rules().size());
  Nfa nfa(grammar, none, none);
  const Nfa::State start = nfa.build(expression, Nfa::kEnd);
  Budget& budget = grammar.budget();
  return minimize(trim(nfa.determinize(start), {}, budget), budget);
}

}  // namespace minim
