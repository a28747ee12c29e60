// The functions that templates can name: filters, tests, global functions, methods of values.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/jinja/sandbox.h"
#include "text/jinja/value.h"

namespace minim::jinja {

// `self` is the filter's input, the test's subject or the method's object.
using NativeCall = Value (*)(Sandbox& box, const Value& self, Values& arguments);

struct Native {
  std::string_view name;
  // Names with spaces between: "old new ?count". A '?' marks what may be left out (kMissing is then
  // passed), "*" takes the other positional arguments as a tuple, "**" the other named ones as a
  // dict; a first "/" means that none may be passed by name.
  std::string_view parameters;
  NativeCall call;
};

struct CallArguments {
  Values positional;
  std::vector<std::pair<std::string, Value>> named;
};

// Binds the arguments to the parameters and calls.
Value call_native(Sandbox& box, const Native& native, const Value& self, CallArguments arguments);

// Null where there is no such thing.
const Native* find_filter(std::string_view name);
const Native* find_test(std::string_view name);
const Native* find_global(std::string_view name);

// The method or property `name` of the value, as Python's getattr gives it; missing where there is
// none. What exists in Python but is not safe is an undefined value that says so; what is merely
// not written here is unsupported.
Value find_attribute(Sandbox& box, const Value& value, std::string_view name);

// value.name and value[key], as jinja2 looks them up: never missing, undefined at worst.
Value get_attribute(Sandbox& box, const Value& value, std::string_view name);
Value get_item(Sandbox& box, const Value& value, const Value& key);
// value[start:stop:step]; a bound that is not there is none.
Value get_slice(Sandbox& box, const Value& value, const Value& start, const Value& stop,
                const Value& step);

// Calls a filter or test by a name that the template computed.
Value call_filter(Sandbox& box, const Value& name, const Value& input, CallArguments arguments);
bool call_test(Sandbox& box, const Value& name, const Value& subject, CallArguments arguments);

// "12", "0x1f", "0b1", "0o7" without underscores; nothing where it does not fit.
std::optional<Int> parse_integer_literal(std::string_view digits);
// Python's int(text, base) and float(text); nothing where they would throw.
std::optional<Int> parse_integer(Sandbox& box, std::string_view text, int base);
std::optional<double> parse_real(std::string_view text);

// The tables, one file each.
std::span<const Native> all_tests();
std::span<const Native> all_globals();
std::span<const Native> text_filters();
std::span<const Native> number_filters();
std::span<const Native> sequence_filters();
std::span<const Native> selection_filters();
std::span<const Native> string_methods();
std::span<const Native> string_search_methods();

}  // namespace minim::jinja
