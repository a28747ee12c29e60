#include "text/grammar/regex_grammar.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "text/grammar/regex_class.h"
#include "text/utf8.h"

namespace minim {
namespace {

// What an expression matches, by where: index 1 only at the beginning of the text, 2 only at its
// end, 3 only as the whole of it. So anchors are no matter for automata.
using Anchored = std::array<ExpressionId, 4>;
constexpr Anchored kEmptyText = {Grammar::kEmpty, Grammar::kNothing, Grammar::kNothing,
                                 Grammar::kNothing};
constexpr unsigned kAtBegin = 1, kAtEnd = 2;

class Parser {
 public:
  Parser(Grammar& grammar, std::string_view pattern, const RegexOptions& options)
      : grammar_(grammar),
        cursor_(pattern, options.dialect),
        flags_{options.case_insensitive, false} {
    const GrammarLimits& limits = grammar.budget().limits();
    if (pattern.size() > limits.source_bytes_max) {
      throw Error(ErrorCode::kLimit, fmt::format("regex: a pattern of {} bytes, at most {} are "
                                                 "allowed",
                                                 pattern.size(), limits.source_bytes_max));
    }
  }

  Anchored run() {
    const Anchored result = take_choice();
    if (!cursor_.done()) cursor_.fail("a ) without its (");
    return result;
  }

 private:
  struct Flags {
    bool case_insensitive = false;
    bool dot_matches_line_ends = false;
  };
  static constexpr int kDepthMax = 150;
  static constexpr int64_t kCasesSteps = 4'000;  // of every character with another case

  Anchored plain(ExpressionId expression) const {
    Anchored result = kEmptyText;
    result[0] = expression;
    return result;
  }

  static bool is_plain(const Anchored& a) {
    return a[1] == Grammar::kNothing && a[2] == Grammar::kNothing && a[3] == Grammar::kNothing;
  }

  bool matches_empty(ExpressionId id) {
    grammar_.budget().spend(1);
    const Grammar::Expression& e = grammar_[id];
    const auto empty = [&](ExpressionId part) { return matches_empty(part); };
    switch (e.kind) {
      case Grammar::Kind::kEmpty: return true;
      case Grammar::Kind::kSequence: return std::all_of(e.parts.begin(), e.parts.end(), empty);
      case Grammar::Kind::kChoice: return std::any_of(e.parts.begin(), e.parts.end(), empty);
      case Grammar::Kind::kRepeat: return e.min == 0 || matches_empty(e.parts[0]);
      default: return false;
    }
  }

  Anchored join(const Anchored& a, const Anchored& b) {
    if (is_plain(a) && is_plain(b)) return plain(grammar_.sequence({a[0], b[0]}));
    std::array<std::vector<ExpressionId>, 4> parts;
    for (unsigned i = 0; i < 4; ++i) {
      for (unsigned k = 0; k < 4; ++k) {
        if (a[i] == Grammar::kNothing || b[k] == Grammar::kNothing) continue;
        const bool a_ends = (i & kAtEnd) != 0, b_begins = (k & kAtBegin) != 0;
        if (!a_ends && !b_begins) {
          parts[(i & kAtBegin) | (k & kAtEnd)].push_back(grammar_.sequence({a[i], b[k]}));
        } else if (!b_begins) {
          if (matches_empty(b[k])) parts[i].push_back(a[i]);
        } else if (!a_ends) {
          if (matches_empty(a[i])) parts[k].push_back(b[k]);
        } else if (matches_empty(a[i]) && matches_empty(b[k])) {
          parts[3].push_back(Grammar::kEmpty);
        }
      }
    }
    Anchored result;
    for (size_t i = 0; i < 4; ++i) result[i] = grammar_.choice(parts[i]);
    return result;
  }

  Anchored either(const std::vector<Anchored>& choices) {
    Anchored result;
    for (size_t i = 0; i < 4; ++i) {
      std::vector<ExpressionId> parts;
      for (const Anchored& choice : choices) parts.push_back(choice[i]);
      result[i] = grammar_.choice(std::move(parts));
    }
    return result;
  }

  Anchored repeat(const Anchored& a, uint32_t min, uint32_t max) {
    if (is_plain(a)) return plain(grammar_.repeat(a[0], min, max));
    constexpr uint32_t kCopiesMax = 8;
    const bool unbounded = max == Grammar::kUnbounded;
    if (min > kCopiesMax || (!unbounded && max > kCopiesMax)) {
      cursor_.refuse(fmt::format("^ or $ in what is repeated more than {} times", kCopiesMax));
    }
    const Anchored once = either({a, kEmptyText});
    Anchored result = kEmptyText;
    for (uint32_t i = 0; i < min; ++i) result = join(result, a);
    if (unbounded) {
      // Only the first and the last can be held to an end of the text.
      const Anchored loop = plain(grammar_.repeat(a[0], 0, Grammar::kUnbounded));
      return join(result, join(once, join(loop, once)));
    }
    for (uint32_t i = min; i < max; ++i) result = join(result, once);
    return result;
  }

  Anchored take_choice() {
    if (++depth_ > kDepthMax) {
      throw Error(ErrorCode::kLimit,
                  fmt::format("regex: groups are nested more than {} deep", kDepthMax));
    }
    const Flags outer = flags_;
    std::vector<Anchored> choices = {take_sequence()};
    while (cursor_.take("|")) choices.push_back(take_sequence());
    flags_ = outer;
    --depth_;
    return choices.size() == 1 ? choices[0] : either(choices);
  }

  // Letters one after the other are one literal: less to keep.
  ExpressionId sequence_of(const std::vector<ExpressionId>& run) {
    std::vector<ExpressionId> parts;
    std::string letters;
    const auto flush = [&] {
      parts.push_back(grammar_.literal(letters));
      letters.clear();
    };
    for (const ExpressionId id : run) {
      if (grammar_[id].kind == Grammar::Kind::kLiteral) {
        letters += grammar_.literal_bytes(grammar_[id]);
      } else {
        flush();
        parts.push_back(id);
      }
    }
    flush();
    return grammar_.sequence(std::move(parts));
  }

  Anchored take_sequence() {
    std::vector<ExpressionId> run;  // what has no anchors
    Anchored result = kEmptyText;
    const auto flush = [&] {
      if (!run.empty()) result = join(result, plain(sequence_of(run)));
      run.clear();
    };
    while (!cursor_.done() && !cursor_.looking_at("|") && !cursor_.looking_at(")")) {
      if (cursor_.take("\\Q")) {
        take_quoted(run);
        continue;
      }
      const Anchored next = take_repeated();
      if (is_plain(next)) {
        run.push_back(next[0]);
      } else {
        flush();
        result = join(result, next);
      }
    }
    flush();
    return result;
  }

  void take_quoted(std::vector<ExpressionId>& out) {
    while (!cursor_.done() && !cursor_.take("\\E")) out.push_back(one(cursor_.take_character()));
  }

  // The counts of {m}, {m,} or {m,n}; anything else is text, as in RE2 and ECMA-262.
  bool take_counts(uint32_t& min, uint32_t& max) {
    const size_t begin = cursor_.position();
    if (cursor_.take("{")) {
      if (const auto low = cursor_.take_number()) {
        min = max = *low;
        if (cursor_.take(",")) max = cursor_.take_number().value_or(Grammar::kUnbounded);
        if (cursor_.take("}")) {
          if (min > max) cursor_.fail("a repetition whose bounds are in the wrong order");
          return true;
        }
      }
      cursor_.set_position(begin);
    }
    return false;
  }

  bool take_quantifier(uint32_t& min, uint32_t& max) {
    min = 0;
    max = Grammar::kUnbounded;
    if (cursor_.take("*")) return true;
    if (cursor_.take("+")) {
      min = 1;
      return true;
    }
    if (cursor_.take("?")) {
      max = 1;
      return true;
    }
    return take_counts(min, max);
  }

  Anchored take_repeated() {
    uint32_t min = 0, max = 0;
    const size_t begin = cursor_.position();
    if (take_quantifier(min, max)) {
      cursor_.set_position(begin);
      cursor_.fail("a repetition of nothing");
    }
    const Anchored inner = take_atom();
    if (!take_quantifier(min, max)) return inner;
    cursor_.take("?");  // which match is preferred makes no difference here
    if (cursor_.looking_at("+")) cursor_.refuse("a possessive repetition");
    const size_t after = cursor_.position();
    uint32_t min2 = 0, max2 = 0;
    if (take_quantifier(min2, max2)) {
      cursor_.set_position(after);
      cursor_.fail("a repetition of a repetition");
    }
    return repeat(inner, min, max);
  }

  ExpressionId one(char32_t code) {
    if (!flags_.case_insensitive) {
      std::string text;
      append_utf8(code, text);
      return grammar_.literal(text);
    }
    return grammar_.characters(CharacterSet{{code, code}}.with_both_cases());
  }

  ExpressionId one_of(const CharacterSet& set) {
    grammar_.budget().spend(4 * int64_t(set.ranges().size()));
    return grammar_.characters(set);
  }

  Anchored take_atom() {
    static constexpr Anchored kBegin = {Grammar::kNothing, Grammar::kEmpty, Grammar::kNothing,
                                        Grammar::kNothing};
    static constexpr Anchored kEnd = {Grammar::kNothing, Grammar::kNothing, Grammar::kEmpty,
                                      Grammar::kNothing};
    if (cursor_.take("(")) return take_group();
    if (cursor_.take("[")) {
      grammar_.budget().spend(flags_.case_insensitive ? kCasesSteps : 10);
      return plain(one_of(take_class(cursor_, flags_.case_insensitive, grammar_.budget())));
    }
    if (cursor_.take(".")) {
      return plain(one_of(dot(cursor_.dialect(), flags_.dot_matches_line_ends)));
    }
    if (cursor_.take("^")) return kBegin;
    if (cursor_.take("$")) return kEnd;
    if (!cursor_.take("\\")) return plain(one(cursor_.take_character()));
    if (!cursor_.ecma() && cursor_.take("A")) return kBegin;
    if (!cursor_.ecma() && cursor_.take("z")) return kEnd;
    CharacterSet set = take_escape(cursor_, false);
    if (flags_.case_insensitive) {
      grammar_.budget().spend(kCasesSteps);
      set = set.with_both_cases();
    }
    return plain(one_of(set));
  }

  Anchored take_group() {
    const Flags outer = flags_;
    if (cursor_.take("?")) {
      if (cursor_.looking_at("=") || cursor_.looking_at("!")) cursor_.refuse("a look-ahead");
      if (cursor_.looking_at("<=") || cursor_.looking_at("<!")) cursor_.refuse("a look-behind");
      if (cursor_.looking_at(">")) cursor_.refuse("an atomic group");
      if (cursor_.looking_at("(")) cursor_.refuse("a condition");
      if (cursor_.looking_at("P=")) cursor_.refuse("a back-reference");
      if (cursor_.looking_at("P>") || cursor_.looking_at("&") || cursor_.looking_at("R")) {
        cursor_.refuse("a call of a group");
      }
      if (cursor_.take("P<") || cursor_.take("<")) {
        if (cursor_.take_until('>', "the name of a group").empty()) cursor_.fail("an empty name");
      } else if (!cursor_.take(":") && !take_flags()) {
        return kEmptyText;  // flags for the rest of the group around this one
      }
    }
    const Anchored result = take_choice();
    flags_ = outer;
    if (!cursor_.take(")")) cursor_.fail("a ( without its )");
    return result;
  }

  // (?i) and (?i:...); false for the first.
  bool take_flags() {
    bool value = true;
    for (;;) {
      if (cursor_.take("-")) {
        value = false;
      } else if (cursor_.take("i")) {
        flags_.case_insensitive = value;
      } else if (cursor_.take("s")) {
        flags_.dot_matches_line_ends = value;
      } else if (cursor_.take("U")) {
        // Which match is preferred makes no difference here.
      } else if (cursor_.looking_at("m")) {
        cursor_.refuse("^ and $ at every line (flag m)");
      } else if (cursor_.take(")")) {
        return false;
      } else if (cursor_.take(":")) {
        return true;
      } else {
        cursor_.fail("an unknown kind of group");
      }
    }
  }

  Grammar& grammar_;
  RegexCursor cursor_;
  Flags flags_;
  int depth_ = 0;
};

}  // namespace

ExpressionId parse_regex(Grammar& grammar, std::string_view pattern, const RegexOptions& options) {
  const Anchored anchored = Parser(grammar, pattern, options).run();
  std::vector<ExpressionId> choices;
  const ExpressionId any = options.search ? grammar.repeat(grammar.characters(CharacterSet::all()),
                                                           0, Grammar::kUnbounded)
                                          : Grammar::kEmpty;
  for (unsigned i = 0; i < 4; ++i) {
    choices.push_back(grammar.sequence({(i & kAtBegin) != 0 ? Grammar::kEmpty : any, anchored[i],
                                        (i & kAtEnd) != 0 ? Grammar::kEmpty : any}));
  }
  return grammar.choice(std::move(choices));
}

Grammar regex_grammar(std::string_view pattern, const RegexOptions& options,
                      const GrammarLimits& limits) {
  Grammar grammar(limits);
  grammar.set_start(parse_regex(grammar, pattern, options));
  return grammar;
}

}  // namespace minim
