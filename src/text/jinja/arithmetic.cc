// Python's arithmetic on numbers, strings, lists and tuples.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "text/jinja/markup.h"
#include "text/jinja/operators.h"
#include "text/jinja/text_format.h"

namespace minim::jinja {
namespace {

const char* symbol(Binary operation) {
  switch (operation) {
    case Binary::kAdd: return "+";
    case Binary::kSubtract: return "-";
    case Binary::kMultiply: return "*";
    case Binary::kDivide: return "/";
    case Binary::kFloorDivide: return "//";
    case Binary::kModulo: return "%";
    case Binary::kPower: return "**";
  }
  return "?";
}

[[noreturn]] void fail_operands(Sandbox& box, Binary operation, const Value& a, const Value& b) {
  if (a.is_undefined()) fail_undefined(box, a);
  if (b.is_undefined()) fail_undefined(box, b);
  if (operation == Binary::kAdd && (a.is_string() || a.is_sequence())) {
    box.fail(
        fmt::format("can only concatenate {0} (not \"{1}\") to {0}", type_name(a), type_name(b)));
  }
  box.fail(fmt::format("unsupported operand type(s) for {}: '{}' and '{}'", symbol(operation),
                       type_name(a), type_name(b)));
}

[[noreturn]] void fail_overflow(Sandbox& box) { box.unsupported("an integer beyond 127 bits"); }

Int power(Sandbox& box, Int base, Int exponent) {
  Int result = 1;
  while (exponent > 0) {
    if (exponent & 1 && __builtin_mul_overflow(result, base, &result)) fail_overflow(box);
    exponent >>= 1;
    if (exponent > 0 && __builtin_mul_overflow(base, base, &base)) {
      fail_overflow(box);
    }
  }
  return result;
}

Int floor_divide(Int a, Int b) {
  const Int quotient = a / b;
  return quotient - (a % b != 0 && (a < 0) != (b < 0));
}

Value real_power(Sandbox& box, double a, double b) {
  if (a == 0 && b < 0) box.fail("0.0 cannot be raised to a negative power");
  if (a < 0 && std::isfinite(b) && b != std::floor(b)) box.unsupported("complex numbers");
  const double result = std::pow(a, b);
  if (std::isinf(result) && std::isfinite(a) && std::isfinite(b)) {
    box.fail("the result of ** is too large for a float");
  }
  return Value(result);
}

Value apply_integers(Sandbox& box, Binary operation, Int a, Int b) {
  Int result = 0;
  const bool divides = operation == Binary::kDivide || operation == Binary::kFloorDivide ||
                       operation == Binary::kModulo;
  if (divides && b == 0) box.fail("division by zero");
  switch (operation) {
    case Binary::kAdd:
      if (__builtin_add_overflow(a, b, &result)) fail_overflow(box);
      return Value(result);
    case Binary::kSubtract:
      if (__builtin_sub_overflow(a, b, &result)) fail_overflow(box);
      return Value(result);
    case Binary::kMultiply:
      if (__builtin_mul_overflow(a, b, &result)) fail_overflow(box);
      return Value(result);
    case Binary::kDivide:
      return Value(static_cast<double>(static_cast<long double>(a) / static_cast<long double>(b)));
    case Binary::kFloorDivide:
      if (b == -1) return apply_integers(box, Binary::kSubtract, 0, a);
      return Value(floor_divide(a, b));
    case Binary::kModulo:
      if (b == -1) return Value(Int(0));
      result = a % b;
      return Value(result != 0 && (result < 0) != (b < 0) ? result + b : result);
    case Binary::kPower:
      if (b < 0) return real_power(box, static_cast<double>(a), static_cast<double>(b));
      return Value(power(box, a, b));
  }
  return Value(result);
}

struct Division {
  double quotient, remainder;
};

// CPython's float_divmod: the remainder has the divisor's sign, the quotient is whole.
Division divide_with_remainder(double a, double b) {
  double remainder = std::fmod(a, b);
  double quotient = (a - remainder) / b;
  if (remainder != 0) {
    if ((b < 0) != (remainder < 0)) {
      remainder += b;
      quotient -= 1;
    }
  } else {
    remainder = std::copysign(0.0, b);
  }
  if (quotient == 0) return {std::copysign(0.0, a / b), remainder};
  double floored = std::floor(quotient);
  if (quotient - floored > 0.5) floored += 1;
  return {floored, remainder};
}

Value apply_reals(Sandbox& box, Binary operation, double a, double b) {
  switch (operation) {
    case Binary::kAdd: return Value(a + b);
    case Binary::kSubtract: return Value(a - b);
    case Binary::kMultiply: return Value(a * b);
    case Binary::kPower: return real_power(box, a, b);
    default: break;
  }
  if (b == 0) box.fail("float division by zero");
  if (operation == Binary::kDivide) return Value(a / b);
  const Division division = divide_with_remainder(a, b);
  return Value(operation == Binary::kModulo ? division.remainder : division.quotient);
}

Value concatenate_strings(Sandbox& box, const Value& a, const Value& b) {
  const bool safe = a.string().safe || b.string().safe;
  TextBuilder text(box);
  for (const Value* part : {&a, &b}) {
    if (safe && !part->string().safe) {
      text.append(escape_markup(box, part->text()));
    } else {
      text.append(part->text());
    }
  }
  return text.take_value(safe);
}

Value concatenate_sequences(Sandbox& box, const Value& a, const Value& b) {
  box.heap().require((a.items().size() + b.items().size()) * sizeof(Value));
  Values items;
  items.reserve(a.items().size() + b.items().size());
  items.insert(items.end(), a.items().begin(), a.items().end());
  items.insert(items.end(), b.items().begin(), b.items().end());
  return a.is(Kind::kList) ? box.list(std::move(items)) : box.tuple(std::move(items));
}

size_t checked_size(Sandbox& box, size_t unit, Int count) {
  if (count <= 0 || unit == 0) return 0;
  if (count > Int(INT64_MAX) / static_cast<Int>(unit)) box.heap().require(SIZE_MAX);
  const size_t size = unit * static_cast<size_t>(count);
  box.heap().require(size);
  return size;
}

Value repeat(Sandbox& box, const Value& value, Int count) {
  if (value.is_string()) {
    const size_t size = checked_size(box, value.text().size(), count);
    box.work(size);
    std::string text;
    text.reserve(size);
    while (text.size() < size) text += value.text();
    return box.string(std::move(text), value.string().safe);
  }
  const Values& unit = value.items();
  const size_t size = checked_size(box, unit.size() * sizeof(Value), count) / sizeof(Value);
  box.step(size);
  Values items;
  items.reserve(size);
  while (items.size() < size) items.insert(items.end(), unit.begin(), unit.end());
  return value.is(Kind::kList) ? box.list(std::move(items)) : box.tuple(std::move(items));
}

}  // namespace

Value apply(Sandbox& box, Binary operation, const Value& a, const Value& b) {
  if (a.is_integral() && b.is_integral()) {
    return apply_integers(box, operation, a.integer(), b.integer());
  }
  if (a.is_number() && b.is_number()) return apply_reals(box, operation, a.number(), b.number());
  if (operation == Binary::kAdd) {
    if (a.is_string() && b.is_string()) return concatenate_strings(box, a, b);
    if (a.is_sequence() && a.kind() == b.kind()) return concatenate_sequences(box, a, b);
  }
  if (operation == Binary::kModulo && a.is_string()) return format_percent(box, a, b);
  if (operation == Binary::kMultiply) {
    if (b.is_integral() && (a.is_string() || a.is_sequence())) return repeat(box, a, b.integer());
    if (a.is_integral() && (b.is_string() || b.is_sequence())) return repeat(box, b, a.integer());
  }
  fail_operands(box, operation, a, b);
}

Value negated(Sandbox& box, const Value& value) {
  if (value.is_integral()) return apply_integers(box, Binary::kSubtract, 0, value.integer());
  if (value.is(Kind::kFloat)) return Value(-value.real());
  if (value.is_undefined()) fail_undefined(box, value);
  box.fail(fmt::format("bad operand type for unary -: '{}'", type_name(value)));
}

Value plus(Sandbox& box, const Value& value) {
  if (value.is_integral()) return Value(value.integer());
  if (value.is(Kind::kFloat)) return value;
  if (value.is_undefined()) fail_undefined(box, value);
  box.fail(fmt::format("bad operand type for unary +: '{}'", type_name(value)));
}

void fail_undefined(Sandbox& box, const Value& value) {
  const Undefined& undefined = value.as<Undefined>();
  if (undefined.unsafe) box.unsupported(undefined.message);
  box.fail(undefined.message);
}

Int to_int(Sandbox& box, const Value& value, std::string_view what) {
  if (value.is_integral()) return value.integer();
  if (value.is_undefined()) fail_undefined(box, value);
  box.fail(fmt::format("{} must be an integer, not '{}'", what, type_name(value)));
}

int64_t to_int64(Sandbox& box, const Value& value, std::string_view what) {
  constexpr Int kBound = INT64_MAX / 4;  // leaves room to add to it
  return static_cast<int64_t>(std::clamp<Int>(to_int(box, value, what), -kBound, kBound));
}

}  // namespace minim::jinja
