// The texts of JSON numbers within bounds.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/grammar/grammar.h"

namespace minim {

// A decimal number, exactly.
struct Decimal {
  bool negative = false;
  std::string integer = "0";  // without zeros before it
  std::string fraction;       // without zeros after it

  // Of a number as JSON writes it; nothing where it has more than some hundreds of digits.
  static std::optional<Decimal> parse(std::string_view text);
  bool is_zero() const { return integer == "0" && fraction.empty(); }
  bool is_integer() const { return fraction.empty(); }
  Decimal negated() const;
  // Less than 0, 0 or more: as a is less than, equal to or more than b.
  static int compare(const Decimal& a, const Decimal& b);
};

struct NumberBounds {
  bool integers = true, fractions = true;  // which of the two are numbers here
  std::optional<Decimal> min, max;
  bool min_excluded = false, max_excluded = false;
  std::vector<Decimal> multiples_of;

  bool bounded() const { return min || max || !multiples_of.empty(); }
  // nullopt: it cannot be told.
  bool contains(const Decimal& value) const;
  void set_min(const Decimal& bound, bool excluded);
  void set_max(const Decimal& bound, bool excluded);
};

// Integers are written without fraction and exponent, and numbers within bounds without exponent.
// Throws kUnsupported for multiples of what has too many digits, kLimit.
ExpressionId number_language(Grammar& grammar, const NumberBounds& bounds);

}  // namespace minim
