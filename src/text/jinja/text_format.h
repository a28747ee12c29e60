// Python's two ways to format text: "%s" % value and "{}".format(value).
#pragma once

#include <string>
#include <string_view>

#include "text/jinja/natives.h"
#include "text/jinja/sandbox.h"

namespace minim::jinja {

// `format` % `argument`: a tuple fills the directives in turn, a dict by name, else it is the one.
// REQUIRES: `format` is a string.
Value format_percent(Sandbox& box, const Value& format, const Value& argument);

// format.format(*positional, **named). REQUIRES: a string, a tuple, a dict.
Value format_braces(Sandbox& box, const Value& format, const Value& positional, const Value& named);

// How a value is set into a field.
struct FieldStyle {
  std::string fill = " ";
  char alignment = 0;  // '<' '>' '^' '=' or 0: the type's own
  char sign = '-';     // '-' '+' ' '
  bool alternate = false;
  char grouping = 0;  // ',' '_' or 0
  int64_t width = 0;
  int64_t precision = -1;
  char type = 0;
};

std::string format_integer(Sandbox& box, Int value, const FieldStyle& style);
std::string format_real(Sandbox& box, double value, const FieldStyle& style);
// Fills up to the width; `text` may begin with a sign that '=' keeps in front.
std::string pad_field(Sandbox& box, std::string_view text, const FieldStyle& style);

}  // namespace minim::jinja
