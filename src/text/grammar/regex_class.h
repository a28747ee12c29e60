// The pieces of a regular expression that stand for one character.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "text/grammar/budget.h"
#include "text/grammar/character_set.h"
#include "text/grammar/regex_grammar.h"

namespace minim {

// A place in a pattern, and errors that name it.
class RegexCursor {
 public:
  RegexCursor(std::string_view pattern, RegexDialect dialect)
      : pattern_(pattern), dialect_(dialect) {}

  bool done() const { return position_ == pattern_.size(); }
  char peek() const { return done() ? '\0' : pattern_[position_]; }
  bool looking_at(std::string_view text) const {
    return pattern_.substr(position_).starts_with(text);
  }
  bool take(std::string_view text);
  // A whole character of UTF-8.
  char32_t take_character();
  // Up to the next `end`, which is taken too.
  std::string_view take_until(char end, const char* what);
  // Digits; nothing if there are none. Throws kLimit past 1,000,000.
  std::optional<uint32_t> take_number();

  size_t position() const { return position_; }
  void set_position(size_t position) { position_ = position; }
  RegexDialect dialect() const { return dialect_; }
  bool ecma() const { return dialect_ == RegexDialect::kEcma; }

  [[noreturn]] void fail(const std::string& what) const;
  [[noreturn]] void refuse(const std::string& what) const;

 private:
  std::string_view pattern_;
  RegexDialect dialect_;
  size_t position_ = 0;
};

// What an escape stands for, after its backslash: a class such as \d, or one character. Throws
// kFormat, and kUnsupported for escapes that stand for no character.
CharacterSet take_escape(RegexCursor& cursor, bool in_class);
// [...], after its opening bracket.
CharacterSet take_class(RegexCursor& cursor, bool case_insensitive, Budget& budget);
// What . stands for.
CharacterSet dot(RegexDialect dialect, bool matches_line_ends);

}  // namespace minim
