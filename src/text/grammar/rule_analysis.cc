#include "text/grammar/rule_analysis.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "base/error.h"

namespace minim {
namespace {

using Kind = Grammar::Kind;

// Past this many states' worth of text, rules that are large and used twice are called.
constexpr uint64_t kInlinedSizeMax = 20'000;
constexpr uint64_t kInlinedRuleSizeMax = 64;
constexpr uint64_t kSizeMax = 1'000'000;

class Analysis {
 public:
  explicit Analysis(Grammar& grammar)
      : grammar_(grammar),
        count_(grammar.rules().size()),
        component_(count_, kNone),
        recurs_(count_) {}

  RuleAnalysis run() {
    result_.nullable.resize(count_);
    result_.called.resize(count_);
    for (RuleId rule = 0; rule < count_; ++rule) remove_left_recursion(rule);
    references_.resize(count_);
    for (RuleId rule = 0; rule < count_; ++rule)
      references_[rule] = find(grammar_.rules()[rule].body);
    find_components();
    for (const auto& component : components_) settle(component);
    size_rules();
    return std::move(result_);
  }

 private:
  static constexpr uint32_t kNone = UINT32_MAX;

  // The rules that an expression names.
  std::vector<RuleId> find(ExpressionId root) {
    std::vector<RuleId> rules;
    std::vector<ExpressionId> work = {root};
    std::vector<bool>& seen = seen_expressions_;
    seen.assign(grammar_.size(), false);
    while (!work.empty()) {
      const ExpressionId id = work.back();
      work.pop_back();
      if (seen[id]) continue;
      seen[id] = true;
      grammar_.budget().spend(1);
      const Grammar::Expression& e = grammar_[id];
      if (e.kind == Kind::kRule) rules.push_back(e.index);
      work.insert(work.end(), e.parts.begin(), e.parts.end());
    }
    grammar_.budget().spend(int64_t(grammar_.size() / 512));
    return rules;
  }

  // a ::= a x | y  becomes  a ::= y x*.
  void remove_left_recursion(RuleId rule) {
    const ExpressionId self = grammar_.rule(rule), body = grammar_.rules()[rule].body;
    std::vector<ExpressionId> choices = {body};
    if (grammar_[body].kind == Kind::kChoice) choices = grammar_[body].parts;
    std::vector<ExpressionId> first, later;
    for (const ExpressionId choice : choices) {
      const auto& parts = grammar_[choice].parts;
      if (choice == self) continue;
      if (grammar_[choice].kind == Kind::kSequence && parts[0] == self) {
        later.push_back(grammar_.sequence({parts.begin() + 1, parts.end()}));
      } else {
        first.push_back(choice);
      }
    }
    if (later.empty()) return;
    const ExpressionId loop = grammar_.repeat(grammar_.choice(later), 0, Grammar::kUnbounded);
    grammar_.redefine(rule, grammar_.sequence({grammar_.choice(first), loop}));
  }

  // Tarjan's, without recursion: components come callees first.
  void find_components() {
    struct Visit {
      RuleId rule;
      size_t next = 0;
    };
    std::vector<uint32_t> number(count_, kNone), low(count_);
    std::vector<RuleId> path;
    uint32_t counter = 0;
    for (const RuleId root : find(grammar_.start())) {
      std::vector<Visit> visits;
      const auto enter = [&](RuleId rule) {
        check_defined(rule);
        number[rule] = low[rule] = counter++;
        path.push_back(rule);
        visits.push_back({rule});
      };
      if (number[root] == kNone) enter(root);
      while (!visits.empty()) {
        const RuleId rule = visits.back().rule;
        if (visits.back().next < references_[rule].size()) {
          const RuleId other = references_[rule][visits.back().next++];
          if (other == rule) recurs_[rule] = true;
          if (number[other] == kNone) {
            enter(other);
          } else if (component_[other] == kNone) {
            low[rule] = std::min(low[rule], number[other]);
          }
          continue;
        }
        visits.pop_back();
        if (!visits.empty()) {
          low[visits.back().rule] = std::min(low[visits.back().rule], low[rule]);
        }
        if (low[rule] == number[rule]) close_component(rule, path);
      }
    }
  }

  void check_defined(RuleId rule) const {
    if (grammar_.rules()[rule].defined) return;
    throw Error(ErrorCode::kFormat, fmt::format("grammar: rule '{}' is used but not defined",
                                                grammar_.rules()[rule].name));
  }

  void close_component(RuleId root, std::vector<RuleId>& path) {
    std::vector<RuleId> members;
    do {
      members.push_back(path.back());
      component_[path.back()] = uint32_t(components_.size());
      path.pop_back();
    } while (members.back() != root);
    if (members.size() > 1) {
      for (const RuleId rule : members) recurs_[rule] = true;
    }
    result_.reachable.insert(result_.reachable.end(), members.begin(), members.end());
    components_.push_back(std::move(members));
  }

  // Those that a component refers to are settled already.
  void settle(const std::vector<RuleId>& component) {
    for (bool changed = true; changed;) {
      changed = false;
      for (const RuleId rule : component) {
        grammar_.budget().spend(1);
        if (result_.nullable[rule] || !is_nullable(grammar_.rules()[rule].body)) continue;
        result_.nullable[rule] = changed = true;
      }
    }
    const bool at_ends = std::all_of(component.begin(), component.end(), [&](RuleId rule) {
      return recurs_at_end(grammar_.rules()[rule].body, component_[rule]);
    });
    for (const RuleId rule : component) result_.called[rule] = recurs_[rule] && !at_ends;
  }

  bool is_nullable(ExpressionId id) {
    grammar_.budget().spend(1);
    const Grammar::Expression& e = grammar_[id];
    const auto nullable = [&](ExpressionId part) { return is_nullable(part); };
    switch (e.kind) {
      case Kind::kNothing:
      case Kind::kLiteral:
      case Kind::kCharacters: return false;
      case Kind::kEmpty: return true;
      case Kind::kSequence: return std::all_of(e.parts.begin(), e.parts.end(), nullable);
      case Kind::kChoice: return std::any_of(e.parts.begin(), e.parts.end(), nullable);
      case Kind::kRepeat: return e.min == 0 || is_nullable(e.parts[0]);
      case Kind::kAutomaton: return grammar_.automaton_of(e).states[0].accepts;
      case Kind::kRule: return result_.nullable[e.index];
    }
    return false;
  }

  bool names(ExpressionId id, uint32_t component) {
    grammar_.budget().spend(1);
    const Grammar::Expression& e = grammar_[id];
    if (e.kind == Kind::kRule) return component_[e.index] == component;
    return std::any_of(e.parts.begin(), e.parts.end(),
                       [&](ExpressionId part) { return names(part, component); });
  }

  // Whether `id` names rules of the component as the last thing only.
  bool recurs_at_end(ExpressionId id, uint32_t component) {
    const Grammar::Expression& e = grammar_[id];
    switch (e.kind) {
      case Kind::kRepeat: return !names(e.parts[0], component);
      case Kind::kChoice:
        return std::all_of(e.parts.begin(), e.parts.end(),
                           [&](ExpressionId part) { return recurs_at_end(part, component); });
      case Kind::kSequence:
        for (size_t i = 0; i + 1 < e.parts.size(); ++i) {
          if (names(e.parts[i], component)) return false;
        }
        return recurs_at_end(e.parts.back(), component);
      default: return true;
    }
  }

  // Decides which of the rules that do not recur are called.
  void size_rules() {
    rule_sizes_.assign(count_, 1);
    const auto measure = [&](bool call_large) {
      expression_sizes_.assign(grammar_.size(), 0);
      uint64_t largest = 0;
      for (const RuleId rule : result_.reachable) {
        const uint64_t inside = size(grammar_.rules()[rule].body);
        const bool large = call_large && inside > kInlinedRuleSizeMax && !recurs_[rule];
        if (large) result_.called[rule] = true;
        if (result_.called[rule]) largest = std::max(largest, inside);
        rule_sizes_[rule] = result_.called[rule] ? 1 : inside;
      }
      return std::max(largest, size(grammar_.start()));
    };
    if (measure(false) <= kInlinedSizeMax) return;
    rule_sizes_.assign(count_, 1);
    measure(true);
  }

  uint64_t size(ExpressionId id) {
    if (expression_sizes_[id] != 0) return expression_sizes_[id];
    grammar_.budget().spend(1);
    const Grammar::Expression& e = grammar_[id];
    uint64_t total = 1;
    for (const ExpressionId part : e.parts) total += size(part);
    switch (e.kind) {
      case Kind::kLiteral: total += grammar_.literal_bytes(e).size(); break;
      case Kind::kCharacters: total += grammar_.character_set(e).ranges().size(); break;
      case Kind::kAutomaton: total += grammar_.automaton_of(e).states.size(); break;
      case Kind::kRepeat:
        total *= std::max(e.max == Grammar::kUnbounded ? e.min : e.max, 1u);
        break;
      case Kind::kRule: total = rule_sizes_[e.index]; break;
      default: break;
    }
    return expression_sizes_[id] = std::min(total, kSizeMax);
  }

  Grammar& grammar_;
  size_t count_;
  RuleAnalysis result_;
  std::vector<std::vector<RuleId>> references_;
  std::vector<uint32_t> component_;
  std::vector<bool> recurs_;
  std::vector<std::vector<RuleId>> components_;
  std::vector<bool> seen_expressions_;
  std::vector<uint64_t> rule_sizes_, expression_sizes_;
};

}  // namespace

RuleAnalysis analyze_rules(Grammar& grammar) { return Analysis(grammar).run(); }

}  // namespace minim
