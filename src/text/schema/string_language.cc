#include "text/schema/string_language.h"

#include <algorithm>
#include <string>

#include "base/error.h"
#include "base/json.h"
#include "text/grammar/regex_grammar.h"
#include "text/schema/string_formats.h"

namespace minim {
namespace {

struct Escape {
  char letter;
  uint8_t code;
};
constexpr Escape kEscapes[] = {{'"', '"'},  {'\\', '\\'}, {'b', '\b'}, {'f', '\f'},
                               {'n', '\n'}, {'r', '\r'},  {'t', '\t'}};

// Strings this long are cut into pieces that are called, so that there is one automaton for all.
constexpr uint32_t kPiece = 256;

ExpressionId hex(Grammar& grammar, std::string_view firsts) {
  std::vector<CharacterRange> ranges;
  for (const char c : firsts) ranges.push_back({char32_t(c), char32_t(c)});
  return grammar.characters(CharacterSet::of(std::move(ranges)));
}

// One character as strings of known length hold it.
ExpressionId plain_character(Grammar& grammar) {
  CharacterSet special{{0, 0x1F}, {'"', '"'}, {'\\', '\\'}};
  const ExpressionId control = grammar.sequence(
      {grammar.literal("\\u00"), hex(grammar, "01"), hex(grammar, "0123456789abcdefABCDEF")});
  return grammar.choice({grammar.characters(special.complement()),
                         grammar.sequence({grammar.literal("\\"), hex(grammar, "\"\\bfnrt")}),
                         control});
}

ExpressionId any_character(Grammar& grammar) {
  CharacterSet special{{0, 0x1F}, {'"', '"'}, {'\\', '\\'}};
  const ExpressionId digit = hex(grammar, "0123456789abcdefABCDEF");
  const ExpressionId two = grammar.sequence({digit, digit});
  // Surrogates come in pairs only.
  const ExpressionId code = grammar.choice(
      {grammar.sequence({hex(grammar, "0123456789abcefABCEF"), digit, two}),
       grammar.sequence({hex(grammar, "dD"), hex(grammar, "01234567"), two}),
       grammar.sequence({hex(grammar, "dD"), hex(grammar, "89abAB"), two, grammar.literal("\\u"),
                         hex(grammar, "dD"), hex(grammar, "cdefCDEF"), two})});
  return grammar.choice({grammar.characters(special.complement()),
                         grammar.sequence({grammar.literal("\\"), hex(grammar, "\"\\/bfnrt")}),
                         grammar.sequence({grammar.literal("\\u"), code})});
}

RuleId add_rule(Grammar& grammar, std::string name, ExpressionId body) {
  const RuleId rule = grammar.add_rule(std::move(name));
  grammar.define(rule, body);
  return rule;
}

// Up to `max` more characters and the closing quote.
ExpressionId ending(Grammar& grammar, ExpressionId character, uint32_t max) {
  const ExpressionId quote = grammar.literal("\"");
  if (max == Grammar::kUnbounded || max <= 4 * kPiece) {
    return grammar.sequence({grammar.repeat(character, 0, max), quote});
  }
  const ExpressionId whole =
      grammar.rule(add_rule(grammar, "string piece", grammar.repeat(character, kPiece, kPiece)));
  const ExpressionId last = grammar.rule(add_rule(
      grammar, "string end", grammar.sequence({grammar.repeat(character, 0, kPiece - 1), quote})));
  ExpressionId result = grammar.sequence({grammar.repeat(character, 0, max % kPiece), quote});
  for (uint32_t i = 0; i < max / kPiece; ++i) {
    const ExpressionId more = grammar.choice({last, grammar.sequence({whole, result})});
    result = grammar.rule(add_rule(grammar, "string rest", more));
  }
  return result;
}

// Escapes within strings of a content automaton.
class Quoting {
 public:
  Quoting(const Automaton& content, Budget& budget) : content_(content), budget_(budget) {}

  Automaton run() {
    result_.states.resize(content_.states.size());
    for (uint32_t i = 0; i < content_.states.size(); ++i) add(i);
    for (Automaton::State& state : result_.states) {
      std::sort(state.edges.begin(), state.edges.end(),
                [](const auto& a, const auto& b) { return a.first < b.first; });
    }
    return std::move(result_);
  }

 private:
  uint32_t target(uint32_t state, uint8_t byte) const {
    for (const Automaton::Edge& edge : content_.states[state].edges) {
      if (edge.first <= byte && byte <= edge.last) return edge.target;
    }
    return UINT32_MAX;
  }

  uint32_t add_state() {
    budget_.check_states(result_.states.size() + 1);
    budget_.spend(8);
    result_.states.emplace_back();
    return uint32_t(result_.states.size() - 1);
  }

  void add_edge(uint32_t from, char first, char last, uint32_t to) {
    result_.states[from].edges.push_back({uint8_t(first), uint8_t(last), to});
  }

  void add(uint32_t state) {
    result_.states[state].accepts = content_.states[state].accepts;
    uint32_t escape = UINT32_MAX;
    const auto escaped = [&] {
      if (escape == UINT32_MAX) {
        escape = add_state();
        add_edge(state, '\\', '\\', escape);
      }
      return escape;
    };
    for (const Automaton::Edge& edge : content_.states[state].edges) {
      for (int first = edge.first; first <= edge.last;) {
        budget_.spend(1);
        if (first < 0x20 || first == '"' || first == '\\') {
          ++first;
          continue;
        }
        const int stop = first < '"' ? '"' : first < '\\' ? '\\' : 256;
        const int last = std::min<int>(edge.last, stop - 1);
        result_.states[state].edges.push_back({uint8_t(first), uint8_t(last), edge.target});
        first = last + 1;
      }
    }
    for (const Escape& e : kEscapes) {
      const uint32_t to = target(state, e.code);
      if (to != UINT32_MAX) add_edge(escaped(), e.letter, e.letter, to);
    }
    add_controls(state, escaped);
  }

  // \u0000 to \u001f.
  template <typename Escaped>
  void add_controls(uint32_t state, const Escaped& escaped) {
    uint32_t leads[2] = {UINT32_MAX, UINT32_MAX};
    for (int code = 0; code < 0x20; ++code) {
      const uint32_t to = target(state, uint8_t(code));
      if (to == UINT32_MAX) continue;
      uint32_t& lead = leads[code / 16];
      if (lead == UINT32_MAX) lead = add_state();
      const int digit = code % 16;
      if (digit < 10) {
        add_edge(lead, char('0' + digit), char('0' + digit), to);
      } else {
        add_edge(lead, char('a' + digit - 10), char('a' + digit - 10), to);
        add_edge(lead, char('A' + digit - 10), char('A' + digit - 10), to);
      }
    }
    if (leads[0] == UINT32_MAX && leads[1] == UINT32_MAX) return;
    const uint32_t u = add_state(), zero = add_state(), zeros = add_state();
    add_edge(escaped(), 'u', 'u', u);
    add_edge(u, '0', '0', zero);
    add_edge(zero, '0', '0', zeros);
    for (int i = 0; i < 2; ++i) {
      if (leads[i] != UINT32_MAX) add_edge(zeros, char('0' + i), char('0' + i), leads[i]);
    }
  }

  const Automaton& content_;
  Budget& budget_;
  Automaton result_;
};

}  // namespace

ExpressionId string_of_length(Grammar& grammar, uint32_t min, uint32_t max) {
  if (min > max) return Grammar::kNothing;
  const ExpressionId quote = grammar.literal("\"");
  if (min == 0 && max == Grammar::kUnbounded) {
    return grammar.sequence(
        {quote, grammar.repeat(any_character(grammar), 0, Grammar::kUnbounded), quote});
  }
  const ExpressionId character = plain_character(grammar);
  const uint32_t rest = max == Grammar::kUnbounded ? max : max - min;
  return grammar.sequence(
      {quote, grammar.repeat(character, min, min), ending(grammar, character, rest)});
}

ExpressionId quoted(Grammar& grammar, const Automaton& content) {
  if (content.accepts_nothing()) return Grammar::kNothing;
  Budget& budget = grammar.budget();
  Automaton inside = minimize(trim(Quoting(content, budget).run(), {}, budget), budget);
  const ExpressionId quote = grammar.literal("\"");
  return grammar.sequence({quote, grammar.automaton(std::move(inside)), quote});
}

Automaton content_of_length(Grammar& grammar, uint32_t min, uint32_t max) {
  const ExpressionId character = grammar.characters(CharacterSet::all());
  return build_automaton(grammar, grammar.repeat(character, min, max));
}

std::optional<Automaton> content_of_format(Grammar& grammar, std::string_view format) {
  const std::optional<std::string_view> pattern = format_pattern(format);
  if (!pattern) return std::nullopt;
  return build_automaton(grammar, parse_regex(grammar, *pattern));
}

std::string json_string(std::string_view content) {
  return OrderedJson(std::string(content)).dump();
}

}  // namespace minim
