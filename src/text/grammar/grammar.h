// A grammar as expressions over bytes: what regular expressions, GBNF and JSON schemas become.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/grammar/automaton.h"
#include "text/grammar/budget.h"
#include "text/grammar/character_set.h"
#include "text/grammar/utf8_automaton.h"

namespace minim {

using ExpressionId = uint32_t;
using RuleId = uint32_t;

// Equal expressions are one. Building throws kLimit past the limits.
class Grammar {
 public:
  static constexpr uint32_t kUnbounded = UINT32_MAX;
  static constexpr ExpressionId kNothing = 0;  // matches no text
  static constexpr ExpressionId kEmpty = 1;    // matches the empty text

  enum class Kind : uint8_t {
    kNothing,
    kEmpty,
    kLiteral,
    kCharacters,
    kSequence,
    kChoice,
    kRepeat,
    kAutomaton,
    kRule
  };
  struct Expression {
    Kind kind;
    uint32_t depth = 1;
    uint32_t index = 0;         // of a literal, set, automaton or rule
    uint32_t min = 0, max = 0;  // of a repetition
    std::vector<ExpressionId> parts;
  };
  struct Rule {
    std::string name;
    ExpressionId body = kNothing;
    bool defined = false;
  };

  explicit Grammar(const GrammarLimits& limits = {});

  ExpressionId literal(std::string_view bytes);
  ExpressionId characters(const CharacterSet& set);
  ExpressionId sequence(std::vector<ExpressionId> parts);
  ExpressionId choice(std::vector<ExpressionId> parts);
  ExpressionId repeat(ExpressionId part, uint32_t min, uint32_t max);
  ExpressionId optional(ExpressionId part) { return choice({part, kEmpty}); }
  ExpressionId automaton(Automaton automaton);
  ExpressionId rule(RuleId rule);

  RuleId add_rule(std::string name);
  // REQUIRES: not defined yet.
  void define(RuleId rule, ExpressionId body);
  void redefine(RuleId rule, ExpressionId body) { rules_[rule].body = body; }
  void set_start(ExpressionId start) { start_ = start; }

  ExpressionId start() const { return start_; }
  const std::vector<Rule>& rules() const { return rules_; }
  const Expression& operator[](ExpressionId id) const { return expressions_[id]; }
  const std::string& literal_bytes(const Expression& e) const { return literals_[e.index]; }
  const CharacterSet& character_set(const Expression& e) const { return sets_[e.index]; }
  // Made when first asked for.
  const Utf8Automaton& utf8_of(const Expression& e);
  const Automaton& automaton_of(const Expression& e) const { return automata_[e.index]; }
  size_t size() const { return expressions_.size(); }

  // One for all that is done with this grammar.
  Budget& budget() { return budget_; }

 private:
  ExpressionId add(Expression expression, std::string_view key);

  Budget budget_;
  std::vector<Expression> expressions_;
  std::unordered_map<std::string, ExpressionId> known_;
  std::vector<std::string> literals_;
  std::vector<CharacterSet> sets_;
  std::vector<Utf8Automaton> utf8_;  // by set, as far as asked for
  std::vector<Automaton> automata_;
  std::vector<Rule> rules_;
  ExpressionId start_ = kNothing;
};

// The automaton of an expression that refers to no rules: to intersect or subtract it. Throws
// kLimit.
Automaton build_automaton(Grammar& grammar, ExpressionId expression);

}  // namespace minim
