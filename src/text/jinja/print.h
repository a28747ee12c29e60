// Values as text: Python's str(), repr() and json.dumps().
#pragma once

#include <string>
#include <string_view>

#include "text/jinja/sandbox.h"
#include "text/jinja/value.h"

namespace minim::jinja {

// str(value). What would print a memory address (functions, generators) is unsupported.
std::string to_text(Sandbox& box, const Value& value);

// repr(value)
void append_repr(Sandbox& box, const Value& value, TextBuilder& out);
std::string to_repr(Sandbox& box, const Value& value);

// The shortest text that reads back as the same number: "0.1", "1e+16", "inf".
std::string real_to_text(double value);
std::string integer_to_text(Int value);

struct JsonStyle {
  bool ascii_only = false;
  bool sort_keys = false;
  bool indented = false;
  std::string indent;  // one level of it, where indented
  std::string item_separator = ", ";
  std::string key_separator = ": ";
};
std::string to_json(Sandbox& box, const Value& value, const JsonStyle& style);

}  // namespace minim::jinja
