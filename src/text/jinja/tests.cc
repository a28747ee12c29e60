// The tests of `is`, as jinja2 has them.
#include <fmt/core.h>

#include "text/jinja/iteration.h"
#include "text/jinja/natives.h"
#include "text/jinja/operators.h"
#include "text/jinja/print.h"
#include "text/jinja/text_case.h"

namespace minim::jinja {
namespace {

Value remainder(Sandbox& box, const Value& value, Int divisor) {
  return apply(box, Binary::kModulo, value, Value(divisor));
}

Value is_odd(Sandbox& box, const Value& value, Values&) {
  return Value(equal(box, remainder(box, value, 2), Value(Int(1))));
}

Value is_even(Sandbox& box, const Value& value, Values&) {
  return Value(equal(box, remainder(box, value, 2), Value(Int(0))));
}

Value is_divisible_by(Sandbox& box, const Value& value, Values& arguments) {
  return Value(equal(box, apply(box, Binary::kModulo, value, arguments[0]), Value(Int(0))));
}

Value is_defined(Sandbox&, const Value& value, Values&) { return Value(!value.is_undefined()); }
Value is_undefined(Sandbox&, const Value& value, Values&) { return Value(value.is_undefined()); }
Value is_none(Sandbox&, const Value& value, Values&) { return Value(value.is_none()); }
Value is_boolean(Sandbox&, const Value& value, Values&) { return Value(value.is(Kind::kBool)); }
Value is_integer(Sandbox&, const Value& value, Values&) { return Value(value.is(Kind::kInt)); }
Value is_float(Sandbox&, const Value& value, Values&) { return Value(value.is(Kind::kFloat)); }
Value is_number(Sandbox&, const Value& value, Values&) { return Value(value.is_number()); }
Value is_string(Sandbox&, const Value& value, Values&) { return Value(value.is_string()); }
Value is_mapping(Sandbox&, const Value& value, Values&) { return Value(value.is_dict()); }

Value is_true(Sandbox&, const Value& value, Values&) {
  return Value(value.is(Kind::kBool) && value.boolean());
}

Value is_false(Sandbox&, const Value& value, Values&) {
  return Value(value.is(Kind::kBool) && !value.boolean());
}

Value is_escaped(Sandbox&, const Value& value, Values&) {
  return Value(value.is_string() && value.string().safe);
}

// What has a length and can be subscripted.
Value is_sequence(Sandbox&, const Value& value, Values&) {
  return Value(length_of(value).has_value() && !value.is(Kind::kView));
}

Value is_iterable_value(Sandbox&, const Value& value, Values&) { return Value(is_iterable(value)); }

Value is_callable(Sandbox&, const Value& value, Values&) {
  switch (value.kind()) {
    case Kind::kFunction:
    case Kind::kMacro:
    case Kind::kLoop:
    case Kind::kJoiner:
    case Kind::kUndefined: return Value(true);  // Undefined has a __call__, which only throws
    default: return Value(false);
  }
}

Value is_same_as(Sandbox&, const Value& value, Values& arguments) {
  return Value(value.same_as(arguments[0]));
}

Value is_lower_case(Sandbox& box, const Value& value, Values&) {
  return Value(is_lower_text(to_text(box, value)));
}

Value is_upper_case(Sandbox& box, const Value& value, Values&) {
  return Value(is_upper_text(to_text(box, value)));
}

Value is_in(Sandbox& box, const Value& value, Values& arguments) {
  return Value(contains(box, arguments[0], value));
}

Value is_filter(Sandbox&, const Value& value, Values&) {
  return Value(value.is_string() && find_filter(value.text()) != nullptr);
}

Value is_test(Sandbox&, const Value& value, Values&) {
  return Value(value.is_string() && find_test(value.text()) != nullptr);
}

Value is_equal(Sandbox& box, const Value& value, Values& arguments) {
  return Value(equal(box, value, arguments[0]));
}

Value is_not_equal(Sandbox& box, const Value& value, Values& arguments) {
  return Value(!equal(box, value, arguments[0]));
}

template <Order kOrder>
Value is_ordered(Sandbox& box, const Value& value, Values& arguments) {
  return Value(ordered(box, kOrder, value, arguments[0]));
}

constexpr Native kTests[] = {
    {"odd", "", is_odd},
    {"even", "", is_even},
    {"divisibleby", "num", is_divisible_by},
    {"defined", "", is_defined},
    {"undefined", "", is_undefined},
    {"filter", "", is_filter},
    {"test", "", is_test},
    {"none", "", is_none},
    {"boolean", "", is_boolean},
    {"false", "", is_false},
    {"true", "", is_true},
    {"integer", "", is_integer},
    {"float", "", is_float},
    {"lower", "", is_lower_case},
    {"upper", "", is_upper_case},
    {"string", "", is_string},
    {"mapping", "", is_mapping},
    {"number", "", is_number},
    {"sequence", "", is_sequence},
    {"iterable", "", is_iterable_value},
    {"callable", "", is_callable},
    {"sameas", "other", is_same_as},
    {"escaped", "", is_escaped},
    {"in", "seq", is_in},
    {"==", "/other", is_equal},
    {"eq", "/other", is_equal},
    {"equalto", "/other", is_equal},
    {"!=", "/other", is_not_equal},
    {"ne", "/other", is_not_equal},
    {">", "/other", is_ordered<Order::kGreater>},
    {"gt", "/other", is_ordered<Order::kGreater>},
    {"greaterthan", "/other", is_ordered<Order::kGreater>},
    {">=", "/other", is_ordered<Order::kGreaterEqual>},
    {"ge", "/other", is_ordered<Order::kGreaterEqual>},
    {"<", "/other", is_ordered<Order::kLess>},
    {"lt", "/other", is_ordered<Order::kLess>},
    {"lessthan", "/other", is_ordered<Order::kLess>},
    {"<=", "/other", is_ordered<Order::kLessEqual>},
    {"le", "/other", is_ordered<Order::kLessEqual>},
};

}  // namespace

std::span<const Native> all_tests() { return kTests; }

}  // namespace minim::jinja
