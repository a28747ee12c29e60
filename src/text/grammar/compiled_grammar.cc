#include "text/grammar/compiled_grammar.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "text/grammar/nfa.h"
#include "text/grammar/rule_analysis.h"

namespace minim {

size_t CompiledGrammar::memory_bytes() const {
  return sizeof(*this) + table_.size() * sizeof(State) + flags_.size() +
         call_begins_.size() * sizeof(uint32_t) + calls_.size() * sizeof(Call);
}

class GrammarCompiler {
 public:
  GrammarCompiler(Grammar grammar, const ByteSet& alphabet)
      : grammar_(std::move(grammar)), budget_(grammar_.budget()), alphabet_(alphabet) {}

  std::shared_ptr<const CompiledGrammar> run() {
    analysis_ = analyze_rules(grammar_);
    // The start, then each rule that is called.
    rule_automata_.resize(grammar_.rules().size());
    outermost_ = build(grammar_.start());
    for (const RuleId rule : analysis_.reachable) {
      if (analysis_.called[rule]) rule_automata_[rule] = build(grammar_.rules()[rule].body);
    }
    remove_dead_ends();
    check_left_recursion();
    result_ = std::make_shared<CompiledGrammar>();
    lay_out();
    result_->compile_steps_ = budget_.steps();
    return std::move(result_);
  }

 private:
  using State = CompiledGrammar::State;

  Automaton build(ExpressionId expression) {
    Nfa nfa(grammar_, analysis_.called, analysis_.nullable);
    const Nfa::State start = nfa.build(expression, Nfa::kEnd);
    Automaton automaton = nfa.determinize(start);
    if (!alphabet_.all()) restrict(automaton);
    return automaton;
  }

  void restrict(Automaton& automaton) const {
    for (Automaton::State& state : automaton.states) {
      std::vector<Automaton::Edge> kept;
      for (const Automaton::Edge& edge : state.edges) {
        for (int byte = edge.first; byte <= edge.last; ++byte) {
          if (!alphabet_[size_t(byte)]) continue;
          if (!kept.empty() && kept.back().target == edge.target && kept.back().last + 1 == byte) {
            kept.back().last = uint8_t(byte);
          } else {
            kept.push_back({uint8_t(byte), uint8_t(byte), edge.target});
          }
        }
      }
      state.edges = std::move(kept);
    }
  }

  // A rule may be called once some text matches it, with calls of such rules alone.
  void remove_dead_ends() {
    std::vector<bool> callable(rule_automata_.size());
    for (bool changed = true; changed;) {
      changed = false;
      for (const RuleId rule : analysis_.reachable) {
        if (callable[rule] || !analysis_.called[rule]) continue;
        if (trim(rule_automata_[rule], callable, budget_).accepts_nothing()) continue;
        callable[rule] = changed = true;
      }
    }
    const auto finish = [&](const Automaton& automaton) {
      return minimize(trim(automaton, callable, budget_), budget_);
    };
    outermost_ = finish(outermost_);
    if (outermost_.accepts_nothing()) {
      throw Error(ErrorCode::kFormat, "grammar: no text matches it");
    }
    for (const RuleId rule : analysis_.reachable)
      rule_automata_[rule] = finish(rule_automata_[rule]);
  }

  // Rules that call each other before anything is read would be called for ever.
  void check_left_recursion() const {
    enum : uint8_t { kNew, kOpen, kDone };
    std::vector<uint8_t> marks(rule_automata_.size(), kNew);
    struct Visit {
      RuleId rule;
      size_t next = 0;
    };
    for (const RuleId root : analysis_.reachable) {
      if (marks[root] != kNew || rule_automata_[root].accepts_nothing()) continue;
      std::vector<Visit> visits = {{root}};
      marks[root] = kOpen;
      while (!visits.empty()) {
        const auto& calls = rule_automata_[visits.back().rule].states[0].calls;
        if (visits.back().next == calls.size()) {
          marks[visits.back().rule] = kDone;
          visits.pop_back();
          continue;
        }
        const RuleId callee = calls[visits.back().next++].callee;
        if (marks[callee] == kOpen) {
          throw Error(ErrorCode::kUnsupported,
                      fmt::format("grammar: rule '{}' can begin with itself by way of other rules; "
                                  "rewrite it as a repetition",
                                  grammar_.rules()[callee].name));
        }
        if (marks[callee] == kNew) {
          marks[callee] = kOpen;
          visits.push_back({callee});
        }
      }
    }
  }

  void lay_out() {
    std::vector<const Automaton*> automata = {&outermost_};
    starts_.resize(rule_automata_.size());
    uint64_t count = 1 + outermost_.states.size();
    for (const RuleId rule : analysis_.reachable) {
      if (rule_automata_[rule].accepts_nothing()) continue;
      starts_[rule] = State(count);
      count += rule_automata_[rule].states.size();
      automata.push_back(&rule_automata_[rule]);
    }
    budget_.check_states(count);
    result_->outermost_count_ = uint32_t(outermost_.states.size());
    find_classes(automata);
    const uint64_t entries = count * result_->class_count_;
    if (entries > budget_.limits().table_entries_max) {
      throw Error(ErrorCode::kLimit, fmt::format("grammar: its table has {} entries, at most {} "
                                                 "are allowed; make it simpler",
                                                 entries, budget_.limits().table_entries_max));
    }
    budget_.spend(int64_t(entries / 4));
    result_->table_.assign(entries, CompiledGrammar::kDead);
    result_->flags_.assign(count, 0);
    result_->call_begins_.assign(2, 0);
    State base = 1;
    for (const Automaton* automaton : automata) {
      for (State i = 0; i < automaton->states.size(); ++i) add_state(*automaton, base, i);
      base += State(automaton->states.size());
    }
  }

  // Bytes between which no state makes a difference: each gets the sum of a number for every edge
  // that reads it.
  void find_classes(const std::vector<const Automaton*>& automata) {
    uint64_t changes[257] = {};
    uint64_t state_number = 0;
    for (const Automaton* automaton : automata) {
      for (const Automaton::State& state : automaton->states) {
        ++state_number;
        for (const Automaton::Edge& edge : state.edges) {
          const uint64_t number = mix(state_number << 32 | edge.target);
          changes[edge.first] += number;
          changes[edge.last + 1] -= number;
        }
      }
    }
    uint64_t sum = 0;
    std::vector<uint64_t> known;
    for (size_t byte = 0; byte < 256; ++byte) {
      sum += changes[byte];
      const auto at = std::find(known.begin(), known.end(), sum);
      result_->class_of_[byte] = uint8_t(at - known.begin());
      if (at == known.end()) known.push_back(sum);
      result_->bytes_[byte] = sum != 0;
    }
    result_->class_count_ = uint32_t(known.size());
  }

  // SplitMix64's.
  static uint64_t mix(uint64_t x) {
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
  }

  void add_state(const Automaton& automaton, State base, State index) {
    const Automaton::State& state = automaton.states[index];
    CompiledGrammar& out = *result_;
    uint8_t& flags = out.flags_[base + index];
    for (const Automaton::Edge& edge : state.edges) {
      flags |= CompiledGrammar::kReads;
      for (int byte = edge.first; byte <= edge.last; ++byte) {
        out.table_[size_t{base + index} * out.class_count_ + out.class_of_[byte]] =
            base + edge.target;
      }
    }
    if (state.accepts) flags |= CompiledGrammar::kEnds;
    for (const Automaton::Call& call : state.calls) {
      flags |= CompiledGrammar::kCalls;
      const Automaton::State& target = automaton.states[call.target];
      const bool last = target.accepts && target.edges.empty() && target.calls.empty();
      out.calls_.push_back(
          {starts_[call.callee], last ? CompiledGrammar::kCallersOwn : base + call.target});
    }
    out.call_begins_.push_back(uint32_t(out.calls_.size()));
    const bool leaves = state.accepts && !out.is_outermost(base + index);
    if (state.calls.empty() && !leaves) flags |= CompiledGrammar::kPlain;
  }

  Grammar grammar_;
  Budget& budget_;
  ByteSet alphabet_;
  RuleAnalysis analysis_;
  Automaton outermost_;
  std::vector<Automaton> rule_automata_;
  std::vector<State> starts_;  // by rule
  std::shared_ptr<CompiledGrammar> result_;
};

std::shared_ptr<const CompiledGrammar> compile_grammar(Grammar grammar, const ByteSet& alphabet) {
  return GrammarCompiler(std::move(grammar), alphabet).run();
}

}  // namespace minim
