#include "text/grammar/automaton.h"

#include <algorithm>
#include <numeric>

#include "text/grammar/key_index.h"

namespace minim {
namespace {

// Refinable partitions of 0..n-1, after Valmari.
struct Partition {
  explicit Partition(size_t n)
      : elements(n), location(n), set_of(n), first(n + 1), past(n + 1), marked(n + 1) {
    set_count = n > 0 ? 1 : 0;
    std::iota(elements.begin(), elements.end(), 0u);
    std::iota(location.begin(), location.end(), 0u);
    if (n > 0) past[0] = uint32_t(n);
  }

  void mark(uint32_t element, std::vector<uint32_t>& touched) {
    const uint32_t set = set_of[element], at = location[element], to = first[set] + marked[set];
    if (at < to) return;  // marked already
    elements[at] = elements[to];
    location[elements[at]] = at;
    elements[to] = element;
    location[element] = to;
    if (marked[set]++ == 0) touched.push_back(set);
  }

  // Splits the touched sets into what is marked and what is not.
  void split(std::vector<uint32_t>& touched) {
    while (!touched.empty()) {
      const uint32_t set = touched.back(), cut = first[set] + marked[set];
      touched.pop_back();
      if (cut == past[set]) {
        marked[set] = 0;
        continue;
      }
      const uint32_t fresh = set_count++;
      if (marked[set] <= past[set] - cut) {
        first[fresh] = first[set];
        past[fresh] = first[set] = cut;
      } else {
        past[fresh] = past[set];
        first[fresh] = past[set] = cut;
      }
      for (uint32_t i = first[fresh]; i < past[fresh]; ++i) set_of[elements[i]] = fresh;
      marked[set] = marked[fresh] = 0;
    }
  }

  std::vector<uint32_t> elements, location, set_of, first, past, marked;
  uint32_t set_count = 0;
};

struct Transition {
  uint32_t tail, label, head;
};

// Labels: the intervals of bytes that no edge cuts, then the callees.
std::vector<Transition> list_transitions(const Automaton& automaton, Budget& budget) {
  bool begins[257] = {true};
  for (const Automaton::State& state : automaton.states) {
    for (const Automaton::Edge& edge : state.edges)
      begins[edge.first] = begins[edge.last + 1] = true;
  }
  uint32_t interval[256];
  for (uint32_t byte = 0, index = 0; byte < 256; ++byte) {
    interval[byte] = begins[byte] && byte > 0 ? ++index : index;
  }
  std::vector<Transition> transitions;
  for (uint32_t i = 0; i < automaton.states.size(); ++i) {
    for (const Automaton::Edge& edge : automaton.states[i].edges) {
      for (uint32_t label = interval[edge.first]; label <= interval[edge.last]; ++label) {
        transitions.push_back({i, label, edge.target});
      }
    }
    for (const Automaton::Call& call : automaton.states[i].calls) {
      transitions.push_back({i, 256 + call.callee, call.target});
    }
  }
  budget.spend(int64_t(transitions.size()));
  return transitions;
}

void sort_by_label(std::vector<Transition>& transitions) {
  uint32_t past = 0;
  for (const Transition& transition : transitions) past = std::max(past, transition.label + 1);
  std::vector<uint32_t> begins(past + 1);
  for (const Transition& transition : transitions) ++begins[transition.label + 1];
  std::partial_sum(begins.begin(), begins.end(), begins.begin());
  std::vector<Transition> sorted(transitions.size());
  for (const Transition& transition : transitions) sorted[begins[transition.label]++] = transition;
  transitions.swap(sorted);
}

// The sets of states that accept the same.
Partition equivalent_states(const Automaton& automaton, std::vector<Transition> transitions,
                            Budget& budget) {
  const size_t count = automaton.states.size();
  sort_by_label(transitions);
  Partition blocks(count), cords(transitions.size());
  std::vector<uint32_t> touched;
  for (uint32_t i = 0; i < count; ++i) {
    if (automaton.states[i].accepts) blocks.mark(i, touched);
  }
  blocks.split(touched);
  if (!transitions.empty()) {
    cords.set_count = 0;
    for (uint32_t i = 0; i < transitions.size(); ++i) {
      const bool begins = i == 0 || transitions[i].label != transitions[i - 1].label;
      if (begins) cords.first[cords.set_count++] = i;
      cords.set_of[i] = cords.set_count - 1;
      cords.past[cords.set_count - 1] = i + 1;
    }
  }
  std::vector<uint32_t> incoming_begin(count + 1), incoming(transitions.size());
  for (const Transition& transition : transitions) ++incoming_begin[transition.head + 1];
  std::partial_sum(incoming_begin.begin(), incoming_begin.end(), incoming_begin.begin());
  std::vector<uint32_t> fill(incoming_begin.begin(), incoming_begin.end());
  for (uint32_t i = 0; i < transitions.size(); ++i) incoming[fill[transitions[i].head]++] = i;

  uint32_t block = 1;
  for (uint32_t cord = 0; cord < cords.set_count; ++cord) {
    budget.spend(int64_t(cords.past[cord] - cords.first[cord]) + 1);
    for (uint32_t i = cords.first[cord]; i < cords.past[cord]; ++i) {
      blocks.mark(transitions[cords.elements[i]].tail, touched);
    }
    blocks.split(touched);
    for (; block < blocks.set_count; ++block) {
      for (uint32_t i = blocks.first[block]; i < blocks.past[block]; ++i) {
        const uint32_t state = blocks.elements[i];
        budget.spend(incoming_begin[state + 1] - incoming_begin[state] + 1);
        for (uint32_t k = incoming_begin[state]; k < incoming_begin[state + 1]; ++k) {
          cords.mark(incoming[k], touched);
        }
      }
      cords.split(touched);
    }
  }
  return blocks;
}

void append_edge(std::vector<Automaton::Edge>& edges, uint8_t first, uint8_t last,
                 uint32_t target) {
  if (!edges.empty() && edges.back().target == target && edges.back().last + 1 == first) {
    edges.back().last = last;
  } else {
    edges.push_back({first, last, target});
  }
}

// Pairs of states, reached side by side. `b` of kNone: the second automaton has given up.
class Product {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  Product(const Automaton& a, const Automaton& b, bool subtracts, Budget& budget)
      : a_(a), b_(b), subtracts_(subtracts), budget_(budget) {}

  Automaton run() {
    if (a_.accepts_nothing()) return {};
    if (b_.accepts_nothing() && !subtracts_) return {};
    find(0, b_.accepts_nothing() ? kNone : 0);
    for (uint32_t i = 0; i < pairs_.size(); ++i) expand(i);
    return minimize(trim(result_, {}, budget_), budget_);
  }

 private:
  uint32_t find(uint32_t a, uint32_t b) {
    uint32_t& known = index_[uint64_t{a} << 32 | b];
    if (known == KeyIndex::kAbsent) {
      known = uint32_t(pairs_.size());
      pairs_.push_back({a, b});
      budget_.check_states(pairs_.size());
      budget_.spend(8);
      result_.states.emplace_back();
      const bool in_b = b != kNone && b_.states[b].accepts;
      result_.states.back().accepts = a_.states[a].accepts && in_b != subtracts_;
    }
    return known;
  }

  void expand(uint32_t pair) {
    const auto [a, b] = pairs_[pair];
    std::vector<Automaton::Edge> edges;
    static const std::vector<Automaton::Edge> kNoEdges;
    const auto& others = b == kNone ? kNoEdges : b_.states[b].edges;
    size_t k = 0;
    for (const Automaton::Edge& edge : a_.states[a].edges) {
      int byte = edge.first;
      while (byte <= edge.last) {
        budget_.spend(1);
        while (k < others.size() && others[k].last < byte) ++k;
        const bool meets = k < others.size() && others[k].first <= byte;
        int last = edge.last;
        if (meets) {
          last = std::min<int>(last, others[k].last);
        } else if (k < others.size()) {
          last = std::min<int>(last, others[k].first - 1);
        }
        if (meets || subtracts_) {
          append_edge(edges, uint8_t(byte), uint8_t(last),
                      find(edge.target, meets ? others[k].target : kNone));
        }
        byte = last + 1;
      }
    }
    result_.states[pair].edges = std::move(edges);
  }

  const Automaton &a_, &b_;
  bool subtracts_;
  Budget& budget_;
  Automaton result_;
  std::vector<std::pair<uint32_t, uint32_t>> pairs_;
  KeyIndex index_;
};

}  // namespace

bool Automaton::has_calls() const {
  return std::any_of(states.begin(), states.end(),
                     [](const State& state) { return !state.calls.empty(); });
}

bool Automaton::matches(std::string_view text) const {
  if (states.empty()) return false;
  uint32_t state = 0;
  for (const char c : text) {
    const auto byte = uint8_t(c);
    const auto& edges = states[state].edges;
    const auto edge = std::find_if(edges.begin(), edges.end(), [&](const Edge& e) {
      return e.first <= byte && byte <= e.last;
    });
    if (edge == edges.end()) return false;
    state = edge->target;
  }
  return states[state].accepts;
}

Automaton trim(const Automaton& automaton, const std::vector<bool>& callable, Budget& budget) {
  const size_t count = automaton.states.size();
  const auto can_call = [&](const Automaton::Call& call) {
    return call.callee < callable.size() && callable[call.callee];
  };
  // Backwards from the ends.
  std::vector<uint32_t> begin(count + 1);
  const auto each_arrow = [&](auto&& visit) {
    for (uint32_t i = 0; i < count; ++i) {
      for (const auto& edge : automaton.states[i].edges) visit(i, edge.target);
      for (const auto& call : automaton.states[i].calls) {
        if (can_call(call)) visit(i, call.target);
      }
    }
  };
  each_arrow([&](uint32_t, uint32_t to) { ++begin[to + 1]; });
  std::partial_sum(begin.begin(), begin.end(), begin.begin());
  std::vector<uint32_t> fill(begin.begin(), begin.end()), sources(begin.back());
  each_arrow([&](uint32_t from, uint32_t to) { sources[fill[to]++] = from; });
  budget.spend(int64_t(4 * count + sources.size()));

  std::vector<uint32_t> work;
  std::vector<bool> useful(count);
  for (uint32_t i = 0; i < count; ++i) {
    if (automaton.states[i].accepts) work.push_back(i), useful[i] = true;
  }
  while (!work.empty()) {
    const uint32_t state = work.back();
    work.pop_back();
    for (uint32_t k = begin[state]; k < begin[state + 1]; ++k) {
      if (!useful[sources[k]]) useful[sources[k]] = true, work.push_back(sources[k]);
    }
  }
  Automaton result;
  if (count == 0 || !useful[0]) return result;

  // Forwards from the start, through useful states only, numbering them.
  std::vector<uint32_t> number(count, UINT32_MAX), order = {0};
  number[0] = 0;
  const auto reach = [&](uint32_t state) {
    if (number[state] == UINT32_MAX) {
      number[state] = uint32_t(order.size());
      order.push_back(state);
    }
    return number[state];
  };
  for (size_t i = 0; i < order.size(); ++i) {
    const Automaton::State& from = automaton.states[order[i]];
    Automaton::State to;
    to.accepts = from.accepts;
    for (const auto& edge : from.edges) {
      if (useful[edge.target]) append_edge(to.edges, edge.first, edge.last, reach(edge.target));
    }
    for (const auto& call : from.calls) {
      if (can_call(call) && useful[call.target])
        to.calls.push_back({call.callee, reach(call.target)});
    }
    result.states.push_back(std::move(to));
  }
  return result;
}

Automaton minimize(const Automaton& automaton, Budget& budget) {
  const size_t count = automaton.states.size();
  if (count < 2) return automaton;
  const Partition blocks =
      equivalent_states(automaton, list_transitions(automaton, budget), budget);
  if (blocks.set_count == count) return automaton;
  Automaton merged;
  merged.states.resize(blocks.set_count);
  // The block of the start comes first.
  const uint32_t start = blocks.set_of[0];
  const auto number = [&](uint32_t state) {
    const uint32_t set = blocks.set_of[state];
    return set == start ? 0 : set == 0 ? start : set;
  };
  for (uint32_t set = 0; set < blocks.set_count; ++set) {
    const uint32_t state = blocks.elements[blocks.first[set]];
    Automaton::State& to = merged.states[number(state)];
    to.accepts = automaton.states[state].accepts;
    for (const auto& edge : automaton.states[state].edges) {
      append_edge(to.edges, edge.first, edge.last, number(edge.target));
    }
    for (const auto& call : automaton.states[state].calls) {
      to.calls.push_back({call.callee, number(call.target)});
    }
  }
  return merged;
}

Automaton intersect(const Automaton& a, const Automaton& b, Budget& budget) {
  return Product(a, b, false, budget).run();
}

Automaton subtract(const Automaton& a, const Automaton& b, Budget& budget) {
  return Product(a, b, true, budget).run();
}

}  // namespace minim
