#include "text/grammar/regex_class.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/error.h"
#include "text/utf8.h"

namespace minim {
namespace {

const CharacterSet& digits() {
  static const CharacterSet set{{'0', '9'}};
  return set;
}

const CharacterSet& word_characters() {
  static const CharacterSet set{{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
  return set;
}

CharacterSet white_space(RegexDialect dialect) {
  CharacterSet set{{'\t', '\n'}, {'\f', '\r'}, {' ', ' '}};
  if (dialect == RegexDialect::kEcma) {
    set.add({{'\v', '\v'}, {0xA0, 0xA0}, {0xFEFF, 0xFEFF}, {0x2028, 0x2029}});
    set.add(*CharacterSet::of_category("Zs"));
  }
  return set;
}

// Names of categories in full, as ECMA-262 and PCRE know them.
std::string_view short_category(std::string_view name) {
  static constexpr std::pair<std::string_view, std::string_view> kNames[] = {
      {"Letter", "L"},
      {"Uppercase_Letter", "Lu"},
      {"Lowercase_Letter", "Ll"},
      {"Titlecase_Letter", "Lt"},
      {"Modifier_Letter", "Lm"},
      {"Other_Letter", "Lo"},
      {"Mark", "M"},
      {"Nonspacing_Mark", "Mn"},
      {"Number", "N"},
      {"Decimal_Number", "Nd"},
      {"digit", "Nd"},
      {"Letter_Number", "Nl"},
      {"Other_Number", "No"},
      {"Punctuation", "P"},
      {"punct", "P"},
      {"Symbol", "S"},
      {"Math_Symbol", "Sm"},
      {"Currency_Symbol", "Sc"},
      {"Separator", "Z"},
      {"Space_Separator", "Zs"},
      {"Other", "C"},
      {"Control", "Cc"}};
  for (const auto& [full, abbreviation] : kNames) {
    if (name == full) return abbreviation;
  }
  return name;
}

CharacterSet take_property(RegexCursor& cursor, bool negated) {
  std::string_view name;
  const size_t begin = cursor.position();
  std::string one;
  if (cursor.take("{")) {
    name = cursor.take_until('}', "a property");
  } else {
    append_utf8(cursor.take_character(), one);
    name = one;
  }
  if (name.starts_with('^')) {
    negated = !negated;
    name.remove_prefix(1);
  }
  for (const std::string_view prefix : {"General_Category=", "gc="}) {
    if (name.starts_with(prefix)) name.remove_prefix(prefix.size());
  }
  const auto set = CharacterSet::of_category(short_category(name));
  if (!set) {
    cursor.set_position(begin);
    cursor.refuse(fmt::format("the property '{}' (general categories are supported)", name));
  }
  return negated ? set->complement() : *set;
}

char32_t take_hex(RegexCursor& cursor, int digits_min, int digits_max) {
  char32_t value = 0;
  int count = 0;
  for (; count < digits_max; ++count) {
    const char c = cursor.peek();
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) break;
    value = value * 16 + char32_t(digit);
    cursor.take(std::string_view(&c, 1));
  }
  if (count < digits_min) cursor.fail("an escape with too few hexadecimal digits");
  return value;
}

char32_t take_coded(RegexCursor& cursor, char kind) {
  char32_t code = 0;
  if (cursor.take("{")) {
    code = take_hex(cursor, 1, 6);
    if (!cursor.take("}")) cursor.fail("an escape that does not end with }");
  } else {
    code = kind == 'x' ? take_hex(cursor, 2, 2) : take_hex(cursor, 4, 4);
    if (code >= 0xD800 && code < 0xDC00 && cursor.take("\\u")) {
      const char32_t low = take_hex(cursor, 4, 4);
      if (low < 0xDC00 || low > 0xDFFF) cursor.fail("half of a surrogate pair");
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
  }
  if (code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) {
    cursor.fail("an escape that is no Unicode character");
  }
  return code;
}

CharacterSet single(char32_t code) { return {{code, code}}; }

// [:alpha:] and its like, after "[:".
CharacterSet take_posix(RegexCursor& cursor) {
  static constexpr std::pair<std::string_view, std::array<CharacterRange, 4>> kClasses[] = {
      {"alnum", {{{'0', '9'}, {'A', 'Z'}, {'a', 'z'}, {'a', 'z'}}}},
      {"alpha", {{{'A', 'Z'}, {'a', 'z'}, {'a', 'z'}, {'a', 'z'}}}},
      {"ascii", {{{0, 0x7F}, {0, 0x7F}, {0, 0x7F}, {0, 0x7F}}}},
      {"blank", {{{'\t', '\t'}, {' ', ' '}, {' ', ' '}, {' ', ' '}}}},
      {"cntrl", {{{0, 0x1F}, {0x7F, 0x7F}, {0x7F, 0x7F}, {0x7F, 0x7F}}}},
      {"digit", {{{'0', '9'}, {'0', '9'}, {'0', '9'}, {'0', '9'}}}},
      {"graph", {{{'!', '~'}, {'!', '~'}, {'!', '~'}, {'!', '~'}}}},
      {"lower", {{{'a', 'z'}, {'a', 'z'}, {'a', 'z'}, {'a', 'z'}}}},
      {"print", {{{' ', '~'}, {' ', '~'}, {' ', '~'}, {' ', '~'}}}},
      {"punct", {{{'!', '/'}, {':', '@'}, {'[', '`'}, {'{', '~'}}}},
      {"space", {{{'\t', '\r'}, {' ', ' '}, {' ', ' '}, {' ', ' '}}}},
      {"upper", {{{'A', 'Z'}, {'A', 'Z'}, {'A', 'Z'}, {'A', 'Z'}}}},
      {"word", {{{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}}},
      {"xdigit", {{{'0', '9'}, {'A', 'F'}, {'a', 'f'}, {'a', 'f'}}}}};
  const bool negated = cursor.take("^");
  const std::string_view name = cursor.take_until(':', "a class of characters");
  if (!cursor.take("]")) cursor.fail("a class of characters that does not end with :]");
  for (const auto& [known, ranges] : kClasses) {
    if (name != known) continue;
    CharacterSet set;
    for (const CharacterRange& range : ranges) set.add({range});
    return negated ? set.complement() : set;
  }
  cursor.fail(fmt::format("the unknown class '[:{}:]'", name));
}

}  // namespace

bool RegexCursor::take(std::string_view text) {
  if (!looking_at(text)) return false;
  position_ += text.size();
  return true;
}

char32_t RegexCursor::take_character() {
  if (done()) fail("the end where a character should be");
  const Utf8Character character = utf8_at(pattern_, position_);
  if (!character.valid) fail("a byte that is not UTF-8");
  position_ += character.length;
  return character.code;
}

std::string_view RegexCursor::take_until(char end, const char* what) {
  const size_t at = pattern_.find(end, position_);
  if (at == std::string_view::npos) fail(fmt::format("{} without its end", what));
  const std::string_view text = pattern_.substr(position_, at - position_);
  position_ = at + 1;
  return text;
}

std::optional<uint32_t> RegexCursor::take_number() {
  if (peek() < '0' || peek() > '9') return std::nullopt;
  uint32_t value = 0;
  for (; peek() >= '0' && peek() <= '9'; ++position_) {
    value = value * 10 + uint32_t(peek() - '0');
    if (value > 1'000'000) {
      throw Error(ErrorCode::kLimit, fmt::format("regex: a repetition of more than 1000000 times "
                                                 "at byte {}",
                                                 position_));
    }
  }
  return value;
}

void RegexCursor::fail(const std::string& what) const {
  throw Error(ErrorCode::kFormat, fmt::format("regex: {} at byte {}", what, position_));
}

void RegexCursor::refuse(const std::string& what) const {
  throw Error(ErrorCode::kUnsupported,
              fmt::format("regex: {}, at byte {}: this is not supported", what, position_));
}

CharacterSet take_escape(RegexCursor& cursor, bool in_class) {
  const char32_t c = cursor.take_character();
  switch (c) {
    case 'd': return digits();
    case 'D': return digits().complement();
    case 'w': return word_characters();
    case 'W': return word_characters().complement();
    case 's': return white_space(cursor.dialect());
    case 'S': return white_space(cursor.dialect()).complement();
    case 'p': return take_property(cursor, false);
    case 'P': return take_property(cursor, true);
    case 'n': return single('\n');
    case 'r': return single('\r');
    case 't': return single('\t');
    case 'f': return single('\f');
    case 'v': return single('\v');
    case 'x': return single(take_coded(cursor, 'x'));
    case 'u': return single(take_coded(cursor, 'u'));
    case '0': return single(0);
    case 'a':
      if (!cursor.ecma()) return single('\a');
      break;
    case 'c': {
      const char32_t letter = cursor.take_character();
      if (cursor.ecma() && ((letter | 32) >= 'a' && (letter | 32) <= 'z'))
        return single(letter & 31);
      break;
    }
    case 'b':
      if (in_class) return single('\b');
      cursor.refuse("a word boundary (\\b)");
    case 'B': cursor.refuse("a word boundary (\\B)");
    case 'k': cursor.refuse("a back-reference (\\k)");
    case 'C':
    case 'G':
    case 'K':
    case 'R':
    case 'X': cursor.refuse(fmt::format("the escape \\{}", char(c)));
    default: break;
  }
  if (c >= '1' && c <= '9') cursor.refuse("a back-reference");
  if ((c < 0x80 && word_characters().contains(c) && c != '_') || c >= 0x80) {
    cursor.fail("an unknown escape");
  }
  return single(c);
}

CharacterSet take_class(RegexCursor& cursor, bool case_insensitive, Budget& budget) {
  const bool negated = cursor.take("^");
  std::vector<CharacterRange> ranges;
  const auto add = [&](const CharacterSet& part) {
    budget.spend(4 + 4 * int64_t(part.ranges().size()));
    ranges.insert(ranges.end(), part.ranges().begin(), part.ranges().end());
  };
  for (bool first = true;; first = false) {
    if (cursor.done()) cursor.fail("a class of characters without its ]");
    // A bracket that comes first is meant, but in ECMA-262.
    if (cursor.looking_at("]") && (!first || cursor.ecma())) break;
    if (!cursor.ecma() && cursor.take("[:")) {
      add(take_posix(cursor));
      continue;
    }
    const auto take_one = [&] {
      if (cursor.take("\\")) return take_escape(cursor, true);
      return single(cursor.take_character());
    };
    const CharacterSet low = take_one();
    const size_t before = cursor.position();
    if (!cursor.take("-") || cursor.looking_at("]")) {
      cursor.set_position(before);
      add(low);
      continue;
    }
    const CharacterSet high = take_one();
    const auto is_single = [](const CharacterSet& one) {
      return one.ranges().size() == 1 && one.ranges()[0].first == one.ranges()[0].last;
    };
    if (!is_single(low) || !is_single(high)) cursor.fail("a range between classes");
    const char32_t from = low.ranges()[0].first, to = high.ranges()[0].first;
    if (from > to) cursor.fail("a range that ends before it begins");
    add(CharacterSet{{from, to}});
  }
  cursor.take("]");
  budget.spend(2 * int64_t(ranges.size()));
  CharacterSet set = CharacterSet::of(std::move(ranges));
  if (case_insensitive) set = set.with_both_cases();
  return negated ? set.complement() : set;
}

CharacterSet dot(RegexDialect dialect, bool matches_line_ends) {
  if (matches_line_ends) return CharacterSet::all();
  CharacterSet ends{{'\n', '\n'}};
  if (dialect == RegexDialect::kEcma) ends.add(CharacterSet{{'\r', '\r'}, {0x2028, 0x2029}});
  return ends.complement();
}

}  // namespace minim
