#include "text/grammar/grammar.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace minim {
namespace {

template <typename T>
void append_raw(std::string& key, const T& value) {
  key.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

}  // namespace

Grammar::Grammar(const GrammarLimits& limits) : budget_(limits) {
  expressions_.push_back({Kind::kNothing});
  expressions_.push_back({Kind::kEmpty});
}

ExpressionId Grammar::add(Expression expression, std::string_view key) {
  std::string full(1, char(expression.kind));
  append_raw(full, expression.index);
  append_raw(full, expression.min);
  append_raw(full, expression.max);
  for (const ExpressionId part : expression.parts) {
    append_raw(full, part);
    expression.depth = std::max(expression.depth, expressions_[part].depth + 1);
  }
  full += key;
  budget_.spend(2 + int64_t(full.size() / 8));
  const auto [entry, fresh] = known_.try_emplace(std::move(full), ExpressionId(size()));
  if (!fresh) return entry->second;
  const GrammarLimits& limits = budget_.limits();
  if (expression.depth > limits.depth_max) {
    throw Error(ErrorCode::kLimit,
                fmt::format("grammar: more than {} levels of nesting", limits.depth_max));
  }
  if (size() >= limits.expressions_max) {
    throw Error(ErrorCode::kLimit,
                fmt::format("grammar: more than {} expressions", limits.expressions_max));
  }
  expressions_.push_back(std::move(expression));
  return entry->second;
}

ExpressionId Grammar::literal(std::string_view bytes) {
  if (bytes.empty()) return kEmpty;
  const ExpressionId next = ExpressionId(size());
  const ExpressionId id = add({Kind::kLiteral}, bytes);
  if (id == next) {
    expressions_[id].index = uint32_t(literals_.size());
    literals_.emplace_back(bytes);
  }
  return id;
}

ExpressionId Grammar::characters(const CharacterSet& set) {
  if (set.empty()) return kNothing;
  std::string key;
  for (const CharacterRange& range : set.ranges()) append_raw(key, range);
  const ExpressionId next = ExpressionId(size());
  const ExpressionId id = add({Kind::kCharacters}, key);
  if (id == next) {
    expressions_[id].index = uint32_t(sets_.size());
    sets_.push_back(set);
  }
  return id;
}

const Utf8Automaton& Grammar::utf8_of(const Expression& e) {
  if (utf8_.size() <= e.index) utf8_.resize(sets_.size());
  Utf8Automaton& automaton = utf8_[e.index];
  if (automaton.begins.empty()) {
    budget_.spend(8 * int64_t(sets_[e.index].ranges().size()));
    automaton = utf8_automaton(sets_[e.index]);
  }
  return automaton;
}

ExpressionId Grammar::sequence(std::vector<ExpressionId> parts) {
  if (std::find(parts.begin(), parts.end(), kNothing) != parts.end()) return kNothing;
  std::erase(parts, kEmpty);
  if (parts.empty()) return kEmpty;
  if (parts.size() == 1) return parts[0];
  Expression expression{Kind::kSequence};
  expression.parts = std::move(parts);
  return add(std::move(expression), {});
}

ExpressionId Grammar::choice(std::vector<ExpressionId> parts) {
  std::sort(parts.begin(), parts.end());
  parts.erase(std::unique(parts.begin(), parts.end()), parts.end());
  std::erase(parts, kNothing);
  if (parts.empty()) return kNothing;
  if (parts.size() == 1) return parts[0];
  Expression expression{Kind::kChoice};
  expression.parts = std::move(parts);
  return add(std::move(expression), {});
}

ExpressionId Grammar::repeat(ExpressionId part, uint32_t min, uint32_t max) {
  MINIM_CHECK(min <= max);
  if (max == 0 || part == kEmpty) return kEmpty;
  if (part == kNothing) return min == 0 ? kEmpty : kNothing;
  if (min == 1 && max == 1) return part;
  Expression expression{Kind::kRepeat};
  expression.min = min;
  expression.max = max;
  expression.parts = {part};
  return add(std::move(expression), {});
}

ExpressionId Grammar::automaton(Automaton automaton) {
  if (automaton.accepts_nothing()) return kNothing;
  MINIM_CHECK(!automaton.has_calls());
  Expression expression{Kind::kAutomaton};
  expression.index = uint32_t(automata_.size());
  automata_.push_back(std::move(automaton));
  return add(std::move(expression), {});
}

ExpressionId Grammar::rule(RuleId rule) {
  Expression expression{Kind::kRule};
  expression.index = rule;
  return add(std::move(expression), {});
}

RuleId Grammar::add_rule(std::string name) {
  if (rules_.size() >= budget_.limits().rules_max) {
    throw Error(ErrorCode::kLimit,
                fmt::format("grammar: more than {} rules", budget_.limits().rules_max));
  }
  rules_.push_back({std::move(name)});
  return RuleId(rules_.size() - 1);
}

void Grammar::define(RuleId rule, ExpressionId body) {
  MINIM_CHECK(!rules_[rule].defined);
  rules_[rule].body = body;
  rules_[rule].defined = true;
}

}  // namespace minim
