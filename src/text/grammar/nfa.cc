#include "text/grammar/nfa.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace minim {

Nfa::Nfa(Grammar& grammar, const std::vector<bool>& called, const std::vector<bool>& nullable)
    : grammar_(grammar), called_(called), nullable_(nullable) {
  add_state();  // kEnd
}

Nfa::State Nfa::add_state() {
  // Several of these make one state of an automaton, seldom the other way round.
  if (heads_.size() >= size_t{8} * grammar_.budget().limits().states_max) {
    grammar_.budget().check_states(UINT64_MAX);
  }
  grammar_.budget().spend(1);
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
  const uint64_t key = uint64_t{expression} << 32 | next;
  if (const auto known = built_.find(key); known != built_.end()) return known->second;
  const uint32_t depth_max = 3 * grammar_.budget().limits().depth_max;
  if (++depth_ > depth_max) {
    throw Error(ErrorCode::kLimit,
                fmt::format("grammar: rules are nested in rules more than {} deep", depth_max));
  }
  // Known before its inside is built, for rules that recur at their own end.
  const State self = add_state();
  built_.emplace(key, self);
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
    case Grammar::Kind::kCharacters: return build_characters(grammar_.character_set(e), next, self);
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
  const uint64_t key = uint64_t{range.first} << 40 | uint64_t{range.last} << 32 | target;
  const auto known = tails_.find(key);
  if (known != tails_.end()) return known->second;
  const State state = add_state();
  add_link(state, {Kind::kBytes, range.first, range.last, 0, target, 0});
  tails_.emplace(key, state);
  return state;
}

Nfa::State Nfa::build_characters(const CharacterSet& set, State next, State self) {
  for (const ByteSequence& sequence : utf8_sequences(set)) {
    State state = next;
    for (int i = sequence.length; i-- > 1;) state = bytes_to(sequence.bytes[i], state);
    add_link(self, {Kind::kBytes, sequence.bytes[0].first, sequence.bytes[0].last, 0, state, 0});
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

// The subset construction.
class Nfa::Subsets {
 public:
  explicit Subsets(Nfa& nfa) : nfa_(nfa), budget_(nfa.grammar_.budget()), seen_(nfa.heads_.size()) {
    find_intervals();
  }

  Automaton run(State start) {
    find({start});
    for (uint32_t i = 0; i < sets_.size(); ++i) expand(i);
    return std::move(result_);
  }

 private:
  struct Hash {
    size_t operator()(const std::vector<State>& states) const {
      uint64_t hash = states.size();
      for (const State state : states)
        hash = (hash ^ state) * 0x9E3779B97F4A7C15u, hash ^= hash >> 29;
      return size_t(hash);
    }
  };
  using SetIndex = std::unordered_map<std::vector<State>, uint32_t, Hash>;

  // Bytes that no link tells apart are dealt with once.
  void find_intervals() {
    bool begins[257] = {true};
    for (const Link& link : nfa_.links_) {
      if (link.kind == Kind::kBytes) begins[link.first] = begins[link.last + 1] = true;
    }
    for (int byte = 0; byte < 256; ++byte) {
      if (begins[byte]) interval_begins_.push_back(byte);
      interval_of_[byte] = uint32_t(interval_begins_.size() - 1);
    }
    interval_begins_.push_back(256);
    targets_.resize(interval_begins_.size() - 1);
  }

  // The automaton's state for everything that `states` reach without reading.
  uint32_t find(const std::vector<State>& states) {
    if (const auto known = by_targets_.find(states); known != by_targets_.end()) {
      return known->second;
    }
    ++epoch_;
    std::vector<State> set, work;
    const auto reach = [&](State state) {
      if (seen_[state] == epoch_) return;
      seen_[state] = epoch_;
      work.push_back(state);
    };
    for (const State state : states) reach(state);
    while (!work.empty()) {
      const State state = work.back();
      work.pop_back();
      bool reads = state == kEnd;
      for (uint32_t k = nfa_.heads_[state]; k != kNoLink; k = nfa_.links_[k].next) {
        if (nfa_.links_[k].kind == Kind::kFree) {
          reach(nfa_.links_[k].target);
        } else {
          reads = true;
        }
        budget_.spend(1);
      }
      if (reads) set.push_back(state);
    }
    std::sort(set.begin(), set.end());
    const auto [entry, fresh] = by_set_.try_emplace(set, uint32_t(sets_.size()));
    if (fresh) {
      budget_.check_states(sets_.size() + 1);
      result_.states.emplace_back();
      result_.states.back().accepts = !set.empty() && set[0] == kEnd;
      sets_.push_back(std::move(set));
    }
    by_targets_.emplace(states, entry->second);
    return entry->second;
  }

  void expand(uint32_t index) {
    std::map<uint32_t, std::vector<State>> calls;
    uint32_t first = uint32_t(targets_.size()), past = 0;
    for (const State state : sets_[index]) {
      for (uint32_t k = nfa_.heads_[state]; k != kNoLink; k = nfa_.links_[k].next) {
        const Link& link = nfa_.links_[k];
        if (link.kind == Kind::kCall) calls[link.callee].push_back(link.target);
        if (link.kind != Kind::kBytes) continue;
        const uint32_t low = interval_of_[link.first], high = interval_of_[link.last];
        budget_.spend(high - low + 1);
        for (uint32_t i = low; i <= high; ++i) targets_[i].push_back(link.target);
        first = std::min(first, low);
        past = std::max(past, high + 1);
      }
    }
    std::vector<Automaton::Edge> edges;
    for (uint32_t i = first; i < past; ++i) {
      if (targets_[i].empty()) continue;
      const uint32_t target = find_sorted(targets_[i]);
      const auto low = uint8_t(interval_begins_[i]), high = uint8_t(interval_begins_[i + 1] - 1);
      if (!edges.empty() && edges.back().target == target && edges.back().last + 1 == low) {
        edges.back().last = high;
      } else {
        edges.push_back({low, high, target});
      }
      targets_[i].clear();
    }
    std::vector<Automaton::Call> called;
    for (auto& [callee, targets] : calls) called.push_back({callee, find_sorted(targets)});
    result_.states[index].edges = std::move(edges);
    result_.states[index].calls = std::move(called);
  }

  uint32_t find_sorted(std::vector<State>& targets) {
    if (targets.size() > 1) {
      std::sort(targets.begin(), targets.end());
      targets.erase(std::unique(targets.begin(), targets.end()), targets.end());
    }
    budget_.spend(int64_t(targets.size()));
    return find(targets);
  }

  Nfa& nfa_;
  Budget& budget_;
  std::vector<uint32_t> seen_;
  uint32_t epoch_ = 0;
  std::vector<int> interval_begins_;
  uint32_t interval_of_[256];
  std::vector<std::vector<State>> targets_;  // by interval
  SetIndex by_targets_, by_set_;
  std::vector<std::vector<State>> sets_;
  Automaton result_;
};

Automaton Nfa::determinize(State start) { return Subsets(*this).run(start); }

Automaton build_automaton(Grammar& grammar, ExpressionId expression) {
  const std::vector<bool> none(grammar.rules().size());
  Nfa nfa(grammar, none, none);
  const Nfa::State start = nfa.build(expression, Nfa::kEnd);
  Budget& budget = grammar.budget();
  return minimize(trim(nfa.determinize(start), {}, budget), budget);
}

}  // namespace minim
