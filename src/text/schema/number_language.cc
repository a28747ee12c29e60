#include "text/schema/number_language.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace minim {
namespace {

constexpr size_t kDigitsMax = 400;
constexpr uint64_t kMultipleMax = 20'000;

std::string without_leading_zeros(std::string digits) {
  const size_t first = digits.find_first_not_of('0');
  return first == std::string::npos ? "0" : digits.substr(first);
}

std::string plus_one(std::string digits) {
  for (size_t i = digits.size(); i-- > 0;) {
    if (digits[i] != '9') {
      ++digits[i];
      return digits;
    }
    digits[i] = '0';
  }
  return "1" + digits;
}

int compare_sizes(const Decimal& a, const Decimal& b) {
  if (a.integer.size() != b.integer.size()) return a.integer.size() < b.integer.size() ? -1 : 1;
  if (const int order = a.integer.compare(b.integer); order != 0) return order;
  return a.fraction.compare(b.fraction);
}

// multiple = factor / 10^scale.
struct Multiple {
  uint64_t factor = 1;
  size_t scale = 0;
};

std::optional<Multiple> as_multiple(const Decimal& value) {
  const std::string digits = without_leading_zeros(value.integer + value.fraction);
  if (digits.size() > 6 || value.fraction.size() > 18) return std::nullopt;
  const uint64_t factor = std::stoull(digits);
  if (factor == 0 || factor > kMultipleMax) return std::nullopt;
  return Multiple{factor, value.fraction.size()};
}

uint64_t shifted(uint64_t remainder, size_t digits, uint64_t factor) {
  for (size_t i = 0; i < digits; ++i) remainder = remainder * 10 % factor;
  return remainder;
}

// A factory of languages of unsigned numbers.
class Numbers {
 public:
  explicit Numbers(Grammar& grammar) : grammar_(grammar) {}

  ExpressionId digit(char first, char last) {
    return first > last ? Grammar::kNothing
                        : grammar_.characters({{char32_t(first), char32_t(last)}});
  }
  ExpressionId digits(uint32_t min, uint32_t max) {
    return grammar_.repeat(digit('0', '9'), min, max);
  }
  ExpressionId any_integer() {
    return grammar_.choice(
        {grammar_.literal("0"), grammar_.sequence({digit('1', '9'), digits(0, kMany)})});
  }
  ExpressionId any_fraction() {
    return grammar_.optional(grammar_.sequence({grammar_.literal("."), digits(1, kMany)}));
  }

  // Unsigned numbers from `low` on, or above it.
  ExpressionId from(const Decimal& low, bool excluded) {
    return grammar_.choice(
        {grammar_.sequence({integers_from(plus_one(low.integer)), any_fraction()}),
         grammar_.sequence(
             {grammar_.literal(low.integer), fractions_from(low.fraction, excluded)})});
  }
  ExpressionId up_to(const Decimal& high, bool excluded) {
    std::vector<ExpressionId> choices = {grammar_.sequence(
        {grammar_.literal(high.integer), fractions_up_to(high.fraction, excluded)})};
    if (high.integer != "0") {
      choices.push_back(grammar_.sequence({integers_below(high.integer), any_fraction()}));
    }
    return grammar_.choice(choices);
  }

 private:
  static constexpr uint32_t kMany = Grammar::kUnbounded;

  ExpressionId integers_from(const std::string& low) {
    const auto length = uint32_t(low.size());
    std::vector<ExpressionId> choices = {
        grammar_.sequence({digit('1', '9'), digits(length, kMany)}), grammar_.literal(low)};
    for (uint32_t i = 0; i < length; ++i) {
      choices.push_back(
          grammar_.sequence({grammar_.literal(low.substr(0, i)), digit(char(low[i] + 1), '9'),
                             digits(length - i - 1, length - i - 1)}));
    }
    return grammar_.choice(choices);
  }

  ExpressionId integers_below(const std::string& high) {
    const auto length = uint32_t(high.size());
    std::vector<ExpressionId> choices;
    if (length > 1) {
      choices.push_back(grammar_.literal("0"));
      choices.push_back(grammar_.sequence({digit('1', '9'), digits(0, length - 2)}));
    }
    for (uint32_t i = 0; i < length; ++i) {
      const char low = i == 0 && length > 1 ? '1' : '0';
      choices.push_back(
          grammar_.sequence({grammar_.literal(high.substr(0, i)), digit(low, char(high[i] - 1)),
                             digits(length - i - 1, length - i - 1)}));
    }
    return grammar_.choice(choices);
  }

  ExpressionId some_not_zero() {
    return grammar_.sequence(
        {grammar_.repeat(grammar_.literal("0"), 0, kMany), digit('1', '9'), digits(0, kMany)});
  }

  // What may follow an integer part that is equal to the bound's.
  ExpressionId fractions_from(const std::string& low, bool excluded) {
    const ExpressionId point = grammar_.literal(".");
    if (low.empty() && !excluded) return any_fraction();
    ExpressionId rest = excluded ? some_not_zero() : digits(0, kMany);
    for (size_t i = low.size(); i-- > 0;) {
      rest = grammar_.choice({grammar_.sequence({digit(char(low[i] + 1), '9'), digits(0, kMany)}),
                              grammar_.sequence({grammar_.literal(low.substr(i, 1)), rest})});
    }
    return grammar_.sequence({point, rest});
  }

  ExpressionId fractions_up_to(const std::string& high, bool excluded) {
    const ExpressionId point = grammar_.literal("."), zero = grammar_.literal("0");
    if (high.empty()) {
      if (excluded) return Grammar::kNothing;
      return grammar_.optional(grammar_.sequence({point, grammar_.repeat(zero, 1, kMany)}));
    }
    ExpressionId rest = excluded ? Grammar::kNothing : grammar_.repeat(zero, 0, kMany);
    for (size_t i = high.size(); i-- > 0;) {
      rest = grammar_.choice({grammar_.sequence({digit('0', char(high[i] - 1)), digits(0, kMany)}),
                              grammar_.sequence({grammar_.literal(high.substr(i, 1)), rest})});
      if (i > 0) rest = grammar_.optional(rest);
    }
    return grammar_.optional(grammar_.sequence({point, rest}));
  }

  Grammar& grammar_;
};

// Unsigned multiples: the states are remainders, before the point and after each digit behind it.
Automaton multiples(const Multiple& multiple, Budget& budget) {
  const auto factor = uint32_t(multiple.factor);
  const auto columns = uint32_t(multiple.scale) + 1;
  budget.check_states(uint64_t{factor} * (columns + 2));
  budget.spend(int64_t{factor} * 10 * columns);
  Automaton result;
  const auto state = [&](uint32_t column, uint32_t remainder) {
    return column * factor + remainder;
  };
  // The last column: the first digit after the point is still to come, or only zeros may.
  result.states.resize(size_t{factor} * (columns + 1) + 1);
  const auto zeros = uint32_t(result.states.size() - 1);
  for (uint32_t remainder = 0; remainder < factor; ++remainder) {
    for (uint32_t column = 0; column < columns; ++column) {
      Automaton::State& from = result.states[state(column, remainder)];
      from.accepts = shifted(remainder, multiple.scale - column, factor) == 0;
      if (column > 0 && column == columns - 1) {
        if (from.accepts) from.edges.push_back({'0', '0', zeros});
        continue;
      }
      if (column == 0) {
        const bool scales = columns > 1;
        const bool whole = shifted(remainder, multiple.scale, factor) == 0;
        if (scales || whole) {
          from.edges.push_back({'.', '.', scales ? state(columns, remainder) : zeros});
        }
      }
      for (uint32_t digit = 0; digit < 10; ++digit) {
        const uint32_t to = column == 0 ? 0 : column + 1;
        from.edges.push_back({uint8_t('0' + digit), uint8_t('0' + digit),
                              state(to, (remainder * 10 + digit) % factor)});
      }
    }
    if (columns > 1) {
      for (uint32_t digit = 0; digit < 10; ++digit) {
        result.states[state(columns, remainder)].edges.push_back(
            {uint8_t('0' + digit), uint8_t('0' + digit),
             state(1, (remainder * 10 + digit) % factor)});
      }
    }
  }
  result.states[zeros].accepts = true;
  result.states[zeros].edges = {{'0', '0', zeros}};
  return minimize(trim(result, {}, budget), budget);
}

// Unsigned numbers within bounds that are not negative.
ExpressionId unsigned_language(Grammar& grammar, const NumberBounds& bounds) {
  Numbers numbers(grammar);
  const ExpressionId integers = numbers.any_integer();
  Automaton result = build_automaton(
      grammar, bounds.fractions ? grammar.sequence({integers, numbers.any_fraction()}) : integers);
  const auto narrow = [&](const Automaton& other) {
    result = intersect(result, other, grammar.budget());
  };
  if (!bounds.integers) {
    const ExpressionId zeros = grammar.repeat(grammar.literal("0"), 1, Grammar::kUnbounded);
    const ExpressionId whole = grammar.sequence(
        {integers, grammar.optional(grammar.sequence({grammar.literal("."), zeros}))});
    result = subtract(result, build_automaton(grammar, whole), grammar.budget());
  }
  if (bounds.min) narrow(build_automaton(grammar, numbers.from(*bounds.min, bounds.min_excluded)));
  if (bounds.max) narrow(build_automaton(grammar, numbers.up_to(*bounds.max, bounds.max_excluded)));
  for (const Decimal& value : bounds.multiples_of) {
    const auto multiple = as_multiple(value);
    if (!multiple) {
      throw Error(ErrorCode::kUnsupported,
                  fmt::format("schema: multipleOf takes numbers of few digits, at most {} without "
                              "their point",
                              kMultipleMax));
    }
    narrow(multiples(*multiple, grammar.budget()));
  }
  return grammar.automaton(std::move(result));
}

}  // namespace

std::optional<Decimal> Decimal::parse(std::string_view text) {
  Decimal result;
  if (text.starts_with('-')) {
    result.negative = true;
    text.remove_prefix(1);
  }
  const size_t exponent_at = text.find_first_of("eE");
  const std::string_view mantissa = text.substr(0, exponent_at);
  int64_t exponent = 0;
  if (exponent_at != std::string_view::npos) {
    const std::string_view digits = text.substr(exponent_at + 1);
    if (digits.size() > 6) return std::nullopt;
    exponent = std::stoll(std::string(digits));
  }
  const size_t point = mantissa.find('.');
  std::string digits(mantissa.substr(0, point));
  int64_t scale = 0;
  if (point != std::string_view::npos) {
    digits += mantissa.substr(point + 1);
    scale = int64_t(mantissa.size() - point - 1);
  }
  scale -= exponent;
  if (digits.size() > kDigitsMax || std::abs(scale) > int64_t(kDigitsMax)) return std::nullopt;
  if (scale < 0) {
    digits.append(size_t(-scale), '0');
    scale = 0;
  }
  if (digits.size() <= size_t(scale)) digits.insert(0, size_t(scale) + 1 - digits.size(), '0');
  result.integer = without_leading_zeros(digits.substr(0, digits.size() - size_t(scale)));
  result.fraction = digits.substr(digits.size() - size_t(scale));
  result.fraction.erase(result.fraction.find_last_not_of('0') + 1);
  if (result.is_zero()) result.negative = false;
  return result;
}

Decimal Decimal::negated() const {
  Decimal result = *this;
  result.negative = !negative && !is_zero();
  return result;
}

int Decimal::compare(const Decimal& a, const Decimal& b) {
  if (a.negative != b.negative) return a.negative ? -1 : 1;
  return a.negative ? compare_sizes(b, a) : compare_sizes(a, b);
}

bool NumberBounds::contains(const Decimal& value) const {
  if (value.is_integer() ? !integers : !fractions) return false;
  if (min) {
    const int order = Decimal::compare(value, *min);
    if (order < 0 || (order == 0 && min_excluded)) return false;
  }
  if (max) {
    const int order = Decimal::compare(value, *max);
    if (order > 0 || (order == 0 && max_excluded)) return false;
  }
  for (const Decimal& divisor : multiples_of) {
    const auto multiple = as_multiple(divisor);
    if (!multiple || value.fraction.size() > multiple->scale) return false;
    uint64_t remainder = 0;
    for (const char c : value.integer + value.fraction) {
      remainder = (remainder * 10 + uint64_t(c - '0')) % multiple->factor;
    }
    if (shifted(remainder, multiple->scale - value.fraction.size(), multiple->factor) != 0) {
      return false;
    }
  }
  return true;
}

void NumberBounds::set_min(const Decimal& bound, bool excluded) {
  const int order = min ? Decimal::compare(bound, *min) : 1;
  if (order > 0 || (order == 0 && excluded)) min = bound, min_excluded = excluded;
}

void NumberBounds::set_max(const Decimal& bound, bool excluded) {
  const int order = max ? Decimal::compare(bound, *max) : -1;
  if (order < 0 || (order == 0 && excluded)) max = bound, max_excluded = excluded;
}

ExpressionId number_language(Grammar& grammar, const NumberBounds& bounds) {
  if (!bounds.integers && !bounds.fractions) return Grammar::kNothing;
  Numbers numbers(grammar);
  const ExpressionId minus = grammar.literal("-");
  if (!bounds.bounded() && bounds.integers) {
    std::vector<ExpressionId> parts = {grammar.optional(minus), numbers.any_integer()};
    if (bounds.fractions) {
      const ExpressionId sign = grammar.optional(grammar.characters({{'+', '+'}, {'-', '-'}}));
      parts.push_back(numbers.any_fraction());
      parts.push_back(
          grammar.optional(grammar.sequence({grammar.characters({{'E', 'E'}, {'e', 'e'}}), sign,
                                             numbers.digits(1, Grammar::kUnbounded)})));
    }
    return grammar.sequence(std::move(parts));
  }
  std::vector<ExpressionId> choices;
  if (!bounds.max || !bounds.max->negative) {
    NumberBounds positive = bounds;
    if (bounds.min && bounds.min->negative) positive.min.reset();
    choices.push_back(unsigned_language(grammar, positive));
  }
  if (!bounds.min || bounds.min->negative) {
    NumberBounds negative = bounds;
    negative.min = Decimal{};
    negative.min_excluded = true;
    negative.max.reset();
    if (bounds.max) negative.set_min(bounds.max->negated(), bounds.max_excluded);
    if (bounds.min) negative.set_max(bounds.min->negated(), bounds.min_excluded);
    choices.push_back(grammar.sequence({minus, unsigned_language(grammar, negative)}));
  }
  return grammar.choice(choices);
}

}  // namespace minim
