// "{}".format(value)
#include <fmt/core.h>

#include <algorithm>

#include "text/jinja/markup.h"
#include "text/jinja/operators.h"
#include "text/jinja/print.h"
#include "text/jinja/text_format.h"
#include "text/utf8.h"

namespace minim::jinja {
namespace {

class BraceFormatter {
 public:
  BraceFormatter(Sandbox& box, const Value& positional, const Value& named, bool safe)
      : box_(box), positional_(positional.items()), named_(named.dict()), safe_(safe) {}

  // `depth`: fields may stand in the style of a field, but no further in.
  std::string run(std::string_view text, int depth) {
    TextBuilder out(box_);
    for (size_t i = 0; i < text.size();) {
      const size_t brace = std::min(text.find_first_of("{}", i), text.size());
      out.append(text.substr(i, brace - i));
      if (brace == text.size()) break;
      i = brace + 1;
      if (i < text.size() && text[i] == text[brace]) {  // a doubled brace stands for one
        out.append(text.substr(i, 1));
        ++i;
        continue;
      }
      if (text[brace] == '}') box_.fail("Single '}' encountered in format string");
      const size_t end = closing(text, i);
      out.append(field(text.substr(i, end - i), depth));
      i = end + 1;
    }
    return out.take();
  }

 private:
  size_t closing(std::string_view text, size_t start) {
    int open = 1;
    for (size_t i = start; i < text.size(); ++i) {
      open += text[i] == '{';
      open -= text[i] == '}';
      if (open == 0) return i;
    }
    box_.fail("expected '}' before end of string");
  }

  std::string field(std::string_view text, int depth) {
    if (depth > 1) box_.fail("Max string recursion exceeded");
    size_t name_end = 0;
    while (name_end < text.size() && text[name_end] != '!' && text[name_end] != ':') {
      name_end =
          text[name_end] == '[' ? std::min(text.find(']', name_end), text.size()) : name_end + 1;
    }
    Value value = look_up(text.substr(0, name_end));
    std::string_view rest = text.substr(name_end);
    if (rest.starts_with('!')) {
      if (rest.size() < 2 || (rest.size() > 2 && rest[2] != ':')) {
        box_.fail("expected ':' after conversion specifier");
      }
      value = converted(value, rest[1]);
      rest.remove_prefix(2);
    }
    if (!rest.empty()) rest.remove_prefix(1);
    const std::string style = run(rest, depth + 1);
    std::string result = format_value(value, style);
    const bool escapes = safe_ && depth == 0 && !(value.is_string() && value.string().safe);
    return escapes ? escape_markup(box_, result) : result;
  }

  Value converted(const Value& value, char conversion) {
    if (conversion == 's') return box_.string(to_text(box_, value));
    if (conversion == 'r') return box_.string(to_repr(box_, value));
    if (conversion == 'a') box_.unsupported("the conversion '!a'");
    box_.fail(fmt::format("Unknown conversion specifier '{}'", conversion));
  }

  // "0", "name", "name.attribute[item]", or empty for the next one.
  Value look_up(std::string_view name) {
    const size_t first_end = std::min(name.find_first_of(".["), name.size());
    const std::string_view first = name.substr(0, first_end);
    Value value = first_value(first);
    for (size_t i = first_end; i < name.size();) {
      if (name[i] == '.') {
        const size_t end = std::min(name.find_first_of(".[", i + 1), name.size());
        if (end == i + 1) box_.fail("Empty attribute in format string");
        value = get_attribute(box_, value, name.substr(i + 1, end - i - 1));
        i = end;
      } else if (name[i] == '[') {
        const size_t end = name.find(']', i);
        if (end == std::string_view::npos) box_.fail("Missing ']' in format string");
        const std::string_view key = name.substr(i + 1, end - i - 1);
        if (key.empty()) box_.fail("Empty attribute in format string");
        const auto index = index_of(key);
        value = get_item(box_, value, index ? Value(*index) : box_.string(std::string(key)));
        i = end + 1;
      } else {
        box_.fail("Only '.' or '[' may follow ']' in format field specifier");
      }
    }
    return value;
  }

  static std::optional<Int> index_of(std::string_view text) {
    if (text.empty() || text.find_first_not_of("0123456789") != std::string_view::npos) {
      return std::nullopt;
    }
    return parse_integer_literal(text);
  }

  Value first_value(std::string_view name) {
    const std::optional<Int> index = index_of(name);
    if (!index && !name.empty()) {
      const Value* found = named_.find(name);
      if (found == nullptr) box_.fail(fmt::format("the format's key '{}' is missing", name));
      return *found;
    }
    if (index ? numbering_ == 'a' : numbering_ == 'm') {
      box_.fail("cannot switch between automatic and manual field numbering");
    }
    numbering_ = index ? 'm' : 'a';
    const Int at = index ? *index : Int(next_++);
    if (at >= static_cast<Int>(positional_.size())) {
      box_.fail("Replacement index out of range for positional args tuple");
    }
    return positional_[static_cast<size_t>(at)];
  }

  FieldStyle parse_style(std::string_view text) {
    FieldStyle style;
    const auto is_alignment = [](char c) { return c == '<' || c == '>' || c == '^' || c == '='; };
    const size_t first = text.empty() ? 0 : utf8_at(text, 0).length;
    if (text.size() > first && first > 0 && is_alignment(text[first])) {
      style.fill = text.substr(0, first);
      style.alignment = text[first];
      text.remove_prefix(first + 1);
    } else if (!text.empty() && is_alignment(text[0])) {
      style.alignment = text[0];
      text.remove_prefix(1);
    }
    const auto take = [&](std::string_view set) {
      if (text.empty() || set.find(text[0]) == std::string_view::npos) return char{0};
      const char taken = text[0];
      text.remove_prefix(1);
      return taken;
    };
    if (const char sign = take("+- ")) style.sign = sign;
    style.alternate = take("#") != 0;
    if (!text.empty() && text[0] == '0' && style.alignment == 0) {
      style.fill = "0";
      style.alignment = '=';
    }
    const auto number = [&] {
      int64_t value = -1;
      while (const char digit = take("0123456789")) {
        value = std::min<int64_t>(std::max<int64_t>(value, 0) * 10 + (digit - '0'), INT32_MAX);
      }
      return value;
    };
    style.width = std::max<int64_t>(number(), 0);
    style.grouping = take(",_");
    if (take(".") != 0) {
      style.precision = number();
      if (style.precision < 0) box_.fail("Format specifier missing precision");
    }
    style.type = take("bcdeEfFgGnosxX%");
    if (!text.empty()) box_.fail("Invalid format specifier");
    return style;
  }

  std::string format_value(const Value& value, std::string_view text) {
    if (text.empty()) return to_text(box_, value);
    if (value.is_string() || value.is_undefined()) {
      if (value.is_undefined()) box_.fail("unsupported format string passed to Undefined");
      return format_string(value.text(), parse_style(text));
    }
    if (!value.is_number()) {
      box_.fail(fmt::format("unsupported format string passed to {}", type_name(value)));
    }
    FieldStyle style = parse_style(text);
    if (style.alignment == 0) style.alignment = '>';
    const bool integral = value.is_integral();
    if (integral && (style.type == 0 || std::string_view("bdnoxX").find(style.type) < 6)) {
      if (style.precision >= 0) box_.fail("Precision not allowed in integer format specifier");
      return pad_field(box_, format_integer(box_, value.integer(), style), style);
    }
    if (integral && style.type == 'c') box_.unsupported("the format 'c'");
    if (style.type == 0 || std::string_view("eEfFgGn%").find(style.type) < 8) {
      return pad_field(box_, format_real(box_, value.number(), style), style);
    }
    box_.fail(fmt::format("Unknown format code '{}' for a number", style.type));
  }

  std::string format_string(std::string_view text, FieldStyle style) {
    if (style.type != 0 && style.type != 's') {
      box_.fail(fmt::format("Unknown format code '{}' for object of type 'str'", style.type));
    }
    if (style.sign != '-') box_.fail("Sign not allowed in string format specifier");
    if (style.alignment == '=' && style.fill != "0") {
      box_.fail("'=' alignment not allowed in string format specifier");
    }
    if (style.alignment == 0 || style.alignment == '=') style.alignment = '<';
    if (style.precision >= 0) {
      size_t end = 0;
      for (int64_t i = 0; i < style.precision && end < text.size(); ++i) {
        end += utf8_at(text, end).length;
      }
      text = text.substr(0, end);
    }
    return pad_field(box_, text, style);
  }

  Sandbox& box_;
  const Values& positional_;
  const Dict& named_;
  const bool safe_;
  size_t next_ = 0;
  char numbering_ = 0;  // 'a'utomatic, 'm'anual, or not known yet
};

}  // namespace

Value format_braces(Sandbox& box, const Value& format, const Value& positional,
                    const Value& named) {
  const bool safe = format.string().safe;
  const std::string text = BraceFormatter(box, positional, named, safe).run(format.text(), 0);
  return box.string(text, safe);
}

}  // namespace minim::jinja
