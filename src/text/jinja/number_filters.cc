// Filters on numbers, and reading numbers from text.
#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "text/jinja/natives.h"
#include "text/jinja/operators.h"
#include "text/jinja/text_case.h"
#include "text/jinja/text_search.h"
#include "text/utf8.h"

namespace minim::jinja {
namespace {

int digit_value(char32_t code) {
  if (code >= 'a' && code <= 'z') return static_cast<int>(code - 'a') + 10;
  if (code >= 'A' && code <= 'Z') return static_cast<int>(code - 'A') + 10;
  return decimal_value(code);
}

// The text without white space around it, other scripts' digits as ASCII, and without the single
// underscores that Python allows between digits; nothing where an underscore is out of place.
std::optional<std::string> plain_number(std::string_view text) {
  std::string out;
  bool after_digit = false;
  for (size_t i = 0; i < text.size();) {
    const Utf8Character character = utf8_at(text, i);
    i += character.length;
    if (character.code == '_') {
      const bool before_digit = i < text.size() && digit_value(utf8_at(text, i).code) >= 0;
      if (!after_digit || !before_digit) return std::nullopt;
      after_digit = false;
      continue;
    }
    const int value = decimal_value(character.code);
    if (value >= 0) {
      out += static_cast<char>('0' + value);
    } else {
      append_utf8(character.code, out);
    }
    after_digit = digit_value(character.code) >= 0;
  }
  return out;
}

std::optional<Int> parse_digits(std::string_view digits, int base, bool& too_large) {
  if (digits.empty()) return std::nullopt;
  Int value = 0;
  for (const char character : digits) {
    const int digit = digit_value(static_cast<uint8_t>(character));
    if (digit < 0 || digit >= base) return std::nullopt;
    too_large = too_large || __builtin_mul_overflow(value, Int(base), &value) ||
                __builtin_add_overflow(value, Int(digit), &value);
  }
  return value;
}

// The base that "0x", "0o" or "0b" announces; 0 for none.
int announced_base(std::string_view digits) {
  if (digits.size() < 2 || digits[0] != '0') return 0;
  switch (digits[1] | 0x20) {
    case 'x': return 16;
    case 'o': return 8;
    case 'b': return 2;
    default: return 0;
  }
}

Value absolute(Sandbox& box, const Value& self, Values&) {
  if (self.is(Kind::kFloat)) return Value(std::abs(self.real()));
  if (self.is_integral() && self.integer() < 0) return negated(box, self);
  if (self.is_integral()) return Value(self.integer());
  if (self.is_undefined()) fail_undefined(box, self);
  box.fail(fmt::format("bad operand type for abs(): '{}'", type_name(self)));
}

Value truncated(Sandbox& box, double value) {
  if (std::abs(value) >= 1.7e38) box.unsupported("an integer beyond 127 bits");
  return Value(static_cast<Int>(value));
}

Value int_filter(Sandbox& box, const Value& self, Values& arguments) {
  const Value otherwise = arguments[0].is_missing() ? Value(Int(0)) : arguments[0];
  const int64_t base = arguments[1].is_missing() ? 10 : to_int64(box, arguments[1], "int's base");
  if (self.is_undefined()) fail_undefined(box, self);
  if (self.is_integral()) return Value(self.integer());
  double real = 0;
  if (self.is_string()) {
    const bool base_valid = base == 0 || (base >= 2 && base <= 36);
    if (base_valid) {
      if (const auto value = parse_integer(box, self.text(), static_cast<int>(base))) {
        return Value(*value);
      }
    }
    const auto parsed = parse_real(self.text());
    if (!parsed) return otherwise;
    real = *parsed;
  } else if (self.is(Kind::kFloat)) {
    real = self.real();
    if (std::isinf(real)) box.fail("cannot convert float infinity to integer");
  } else {
    return otherwise;
  }
  return std::isfinite(real) ? truncated(box, real) : otherwise;
}

Value float_filter(Sandbox& box, const Value& self, Values& arguments) {
  const Value otherwise = arguments[0].is_missing() ? Value(0.0) : arguments[0];
  if (self.is_undefined()) fail_undefined(box, self);
  if (self.is_number()) return Value(self.number());
  if (!self.is_string()) return otherwise;
  const auto value = parse_real(self.text());
  return value ? Value(*value) : otherwise;
}

// Python's round(value, digits): to even, and exact for decimals.
double round_to(double value, int64_t digits) {
  if (!std::isfinite(value) || digits > 323) return value;
  if (digits < -308) return std::copysign(0.0, value);
  if (digits < 0) {
    const double power = std::pow(10.0, static_cast<double>(-digits));
    return std::nearbyint(value / power) * power;
  }
  char buffer[700];
  std::snprintf(buffer, sizeof(buffer), "%.*f", static_cast<int>(digits), value);
  return std::strtod(buffer, nullptr);
}

Value round_integer(Sandbox& box, const Value& self, int64_t digits) {
  if (digits >= 0) return Value(self.integer());
  Int power = 1;
  for (int64_t i = digits; i < 0; ++i) {
    if (__builtin_mul_overflow(power, Int(10), &power)) return Value(Int(0));
  }
  const Int quotient = apply(box, Binary::kFloorDivide, self, Value(power)).integer();
  const Int rest = self.integer() - quotient * power;
  const bool up = rest * 2 > power || (rest * 2 == power && quotient % 2 != 0);
  return apply(box, Binary::kMultiply, Value(quotient + up), Value(power));
}

Value round_filter(Sandbox& box, const Value& self, Values& arguments) {
  const int64_t digits =
      arguments[0].is_missing() ? 0 : to_int64(box, arguments[0], "round's precision");
  std::string_view method = "common";
  if (!arguments[1].is_missing()) {
    method = arguments[1].is_string() ? arguments[1].text() : "";
  }
  if (method != "common" && method != "ceil" && method != "floor") {
    box.fail("method must be common, ceil or floor");
  }
  if (self.is_undefined()) fail_undefined(box, self);
  if (!self.is_number()) {
    box.fail(fmt::format("type {} doesn't define __round__ method", type_name(self)));
  }
  if (method == "common") {
    if (self.is_integral()) return round_integer(box, self, digits);
    return Value(round_to(self.real(), digits));
  }
  const Value power = apply(box, Binary::kPower, Value(Int(10)), Value(Int(digits)));
  const double scaled = apply(box, Binary::kMultiply, self, power).number();
  if (!std::isfinite(scaled)) box.fail("cannot round what is not finite");
  const double whole = method == "ceil" ? std::ceil(scaled) : std::floor(scaled);
  return apply(box, Binary::kDivide, truncated(box, whole), power);
}

Value file_size(Sandbox& box, const Value& self, Values& arguments) {
  static constexpr const char* kDecimal[] = {"kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"};
  static constexpr const char* kBinary[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"};
  const bool binary = !arguments[0].is_missing() && truth(arguments[0]);
  if (self.is_undefined()) fail_undefined(box, self);
  const auto parsed = self.is_string() ? parse_real(self.text()) : std::optional<double>();
  if (!self.is_number() && !parsed) box.fail("filesizeformat takes a number");
  const double bytes = parsed ? *parsed : self.number();
  const double base = binary ? 1024 : 1000;
  if (bytes == 1) return box.string("1 Byte");
  if (bytes < base) return box.string(fmt::format("{:.0f} Bytes", std::trunc(bytes)));
  double unit = base * base;
  int step = 0;
  while (step < 7 && bytes >= unit) {
    unit *= base;
    ++step;
  }
  return box.string(
      fmt::format("{:.1f} {}", base * bytes / unit, (binary ? kBinary : kDecimal)[step]));
}

constexpr Native kNumberFilters[] = {
    {"abs", "", absolute},
    {"int", "?default ?base", int_filter},
    {"float", "?default", float_filter},
    {"round", "?precision ?method", round_filter},
    {"filesizeformat", "?binary", file_size},
};

}  // namespace

std::optional<Int> parse_integer_literal(std::string_view digits) {
  const int base = announced_base(digits);
  bool too_large = false;
  const auto value =
      parse_digits(base == 0 ? digits : digits.substr(2), base == 0 ? 10 : base, too_large);
  return too_large ? std::nullopt : value;
}

std::optional<Int> parse_integer(Sandbox& box, std::string_view text, int base) {
  const std::string_view stripped = strip(box, text, Value::none(), true, true);
  bool negative = false;
  std::string_view digits = stripped;
  if (digits.starts_with('-') || digits.starts_with('+')) {
    negative = digits[0] == '-';
    digits.remove_prefix(1);
  }
  const int announced = announced_base(digits);
  if (announced != 0 && (base == 0 || base == announced)) {
    digits.remove_prefix(2);
    if (digits.starts_with('_')) digits.remove_prefix(1);
    base = announced;
  }
  const auto plain = plain_number(digits);
  if (!plain) return std::nullopt;
  if (base == 0) {
    if (plain->size() > 1 && plain->starts_with('0') &&
        plain->find_first_not_of('0') != std::string::npos) {
      return std::nullopt;
    }
    base = 10;
  }
  bool too_large = false;
  const auto value = parse_digits(*plain, base, too_large);
  if (value && too_large) box.unsupported("an integer beyond 127 bits");
  if (!value) return std::nullopt;
  return negative ? -*value : *value;
}

std::optional<double> parse_real(std::string_view text) {
  size_t start = 0;
  while (start < text.size() && is_space(utf8_at(text, start).code)) {
    start += utf8_at(text, start).length;
  }
  auto plain = plain_number(text.substr(start));
  if (!plain) return std::nullopt;
  while (!plain->empty()) {
    size_t last = plain->size() - 1;
    while (last > 0 && (static_cast<uint8_t>((*plain)[last]) & 0xC0) == 0x80) --last;
    if (!is_space(utf8_at(*plain, last).code)) break;
    plain->resize(last);
  }
  std::string_view digits = *plain;
  bool negative = false;
  if (digits.starts_with('-') || digits.starts_with('+')) {
    negative = digits[0] == '-';
    digits.remove_prefix(1);
  }
  std::string lower(digits);
  for (char& character : lower) {
    if (character >= 'A' && character <= 'Z') character = static_cast<char>(character | 0x20);
  }
  if (lower == "inf" || lower == "infinity") return negative ? -INFINITY : INFINITY;
  if (lower == "nan") return NAN;
  // What strtod takes besides (hexadecimal, "nan(...)") is not a number to Python.
  if (lower.empty() || lower.find_first_not_of("0123456789.e+-") != std::string::npos ||
      lower[0] == '+' || lower[0] == '-' || lower[0] == 'e') {
    return std::nullopt;
  }
  double value = 0;
  const auto [end, error] = std::from_chars(lower.data(), lower.data() + lower.size(), value);
  if (end != lower.data() + lower.size()) return std::nullopt;
  if (error == std::errc::result_out_of_range) value = std::strtod(lower.c_str(), nullptr);
  if (error == std::errc::invalid_argument) return std::nullopt;
  return negative ? -value : value;
}

std::span<const Native> number_filters() { return kNumberFilters; }

}  // namespace minim::jinja
