// "%s" % value
#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "text/jinja/markup.h"
#include "text/jinja/operators.h"
#include "text/jinja/print.h"
#include "text/jinja/text_format.h"
#include "text/utf8.h"

namespace minim::jinja {
namespace {

class PercentFormatter {
 public:
  PercentFormatter(Sandbox& box, const String& format, const Value& argument)
      : box_(box), format_(format), argument_(argument), out_(box) {}

  Value run() {
    const std::string_view text = format_.text;
    while (position_ < text.size()) {
      const size_t percent = std::min(text.find('%', position_), text.size());
      out_.append(text.substr(position_, percent - position_));
      position_ = percent;
      if (position_ < text.size()) {
        ++position_;
        directive();
      }
    }
    const bool leftover = argument_.is(Kind::kTuple) ? taken_ < argument_.items().size()
                                                     : taken_ == 0 && !is_mapping();
    if (leftover) box_.fail("not all arguments converted during string formatting");
    return out_.take_value(format_.safe);
  }

 private:
  bool is_mapping() const {
    return argument_.is_dict() || argument_.is(Kind::kList) || argument_.is(Kind::kRange);
  }

  char peek() const {
    if (position_ >= format_.text.size()) box_.fail("incomplete format");
    return format_.text[position_];
  }

  void directive() {
    Value value;
    if (peek() == '(') value = named_value();
    FieldStyle style;
    bool left = false, zero = false;
    for (bool more = true; more;) {
      switch (peek()) {
        case '-': left = true; break;
        case '+': style.sign = '+'; break;
        case ' ': style.sign = style.sign == '+' ? '+' : ' '; break;
        case '#': style.alternate = true; break;
        case '0': zero = true; break;
        default: more = false;
      }
      position_ += more;
    }
    style.width = number();
    if (style.width < 0) {
      left = true;
      style.width = -style.width;
    }
    if (peek() == '.') {
      ++position_;
      style.precision = std::max<int64_t>(number(), 0);
    }
    while (peek() == 'h' || peek() == 'l' || peek() == 'L') ++position_;
    style.type = peek();
    ++position_;
    if (style.type == '%') return out_.append("%");
    if (value.is_missing()) value = next_value();
    style.alignment = left ? '<' : '>';
    convert(value, style, zero && !left);
  }

  // Digits, or '*' for the next argument.
  int64_t number() {
    if (peek() == '*') {
      ++position_;
      return to_int64(box_, next_value(), "a width");
    }
    int64_t value = 0;
    while (peek() >= '0' && peek() <= '9') {
      value = std::min<int64_t>(value * 10 + (peek() - '0'), INT32_MAX);
      ++position_;
    }
    return value;
  }

  Value named_value() {
    ++position_;
    const size_t start = position_;
    for (int open = 1; open > 0; ++position_) {
      open += peek() == '(';
      open -= peek() == ')';
    }
    if (!argument_.is_dict()) box_.fail("format requires a mapping");
    const std::string_view key =
        std::string_view(format_.text).substr(start, position_ - 1 - start);
    const Value* found = argument_.dict().find(key);
    if (found == nullptr) box_.fail(fmt::format("the format's key '{}' is missing", key));
    ++taken_;
    return *found;
  }

  Value next_value() {
    if (argument_.is(Kind::kTuple)) {
      if (taken_ >= argument_.items().size()) box_.fail("not enough arguments for format string");
      return argument_.items()[taken_++];
    }
    if (taken_++ > 0) box_.fail("not enough arguments for format string");
    return argument_;
  }

  void convert(const Value& value, FieldStyle style, bool zero) {
    switch (style.type) {
      case 's':
      case 'r':
      case 'a': return convert_text(value, style);
      case 'c': return convert_character(value, style);
      case 'd':
      case 'i':
      case 'u': style.type = 'd'; return convert_integer(value, style, zero);
      case 'x':
      case 'X':
      case 'o': return convert_integer(value, style, zero);
      case 'e':
      case 'E':
      case 'f':
      case 'F':
      case 'g':
      case 'G': return convert_real(value, style, zero);
      default: break;
    }
    box_.fail(fmt::format("unsupported format character '{}'", style.type));
  }

  void convert_text(const Value& value, const FieldStyle& style) {
    if (style.type == 'a') box_.unsupported("the format '%a'");
    std::string text = style.type == 's' ? to_text(box_, value) : to_repr(box_, value);
    if (format_.safe && !(value.is_string() && value.string().safe)) {
      text = escape_markup(box_, text);
    }
    if (style.precision >= 0) {
      size_t end = 0;
      for (int64_t i = 0; i < style.precision && end < text.size(); ++i) {
        end += utf8_at(text, end).length;
      }
      text.resize(end);
    }
    out_.append(pad_field(box_, text, style));
  }

  void convert_character(const Value& value, const FieldStyle& style) {
    if (value.is_string() && value.string().length == 1) {
      return out_.append(pad_field(box_, value.text(), style));
    }
    const Int code = to_int(box_, value, "%c's character");
    if (code < 0 || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) {
      box_.fail("%c arg not in range");
    }
    std::string text;
    append_utf8(static_cast<char32_t>(code), text);
    out_.append(pad_field(box_, text, style));
  }

  void convert_integer(const Value& value, FieldStyle style, bool zero) {
    Int integer = 0;
    if (value.is(Kind::kFloat) && style.type == 'd') {
      if (!(std::abs(value.real()) < 1e30)) box_.unsupported("an integer beyond 127 bits");
      integer = static_cast<Int>(value.real());
    } else if (value.is_integral()) {
      integer = value.integer();
    } else {
      if (value.is_undefined()) fail_undefined(box_, value);
      box_.fail(fmt::format("%{} format: a real number is required, not {}", style.type,
                            type_name(value)));
    }
    fill_zeros(style, zero);
    out_.append(pad_field(box_, format_integer(box_, integer, style), style));
  }

  void convert_real(const Value& value, FieldStyle style, bool zero) {
    if (value.is_undefined()) fail_undefined(box_, value);
    if (!value.is_number()) {
      box_.fail(fmt::format("must be real number, not {}", type_name(value)));
    }
    fill_zeros(style, zero);
    out_.append(pad_field(box_, format_real(box_, value.number(), style), style));
  }

  static void fill_zeros(FieldStyle& style, bool zero) {
    if (!zero) return;
    style.fill = "0";
    style.alignment = '=';
  }

  Sandbox& box_;
  const String& format_;
  const Value& argument_;
  TextBuilder out_;
  size_t position_ = 0;
  size_t taken_ = 0;
};

}  // namespace

Value format_percent(Sandbox& box, const Value& format, const Value& argument) {
  return PercentFormatter(box, format.string(), argument).run();
}

}  // namespace minim::jinja
