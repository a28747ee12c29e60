// Numbers set into fields: the part that both ways of formatting share.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "text/jinja/print.h"
#include "text/jinja/text_format.h"
#include "text/utf8.h"

namespace minim::jinja {
namespace {

size_t code_point_count(std::string_view text) {
  size_t count = 0;
  for (size_t i = 0; i < text.size(); i += utf8_at(text, i).length) ++count;
  return count;
}

std::string digits_of(unsigned __int128 value, unsigned base, bool upper) {
  const char* const digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
  std::string out;
  do {
    out += digits[static_cast<unsigned>(value % base)];
    value /= base;
  } while (value != 0);
  std::reverse(out.begin(), out.end());
  return out;
}

// Separators between groups of digits, in the part before the decimal point.
std::string grouped(std::string_view digits, char separator, size_t group) {
  const size_t whole = std::min(digits.find_first_not_of("0123456789abcdefABCDEF"), digits.size());
  std::string out;
  for (size_t i = 0; i < whole; ++i) {
    if (i > 0 && (whole - i) % group == 0) out += separator;
    out += digits[i];
  }
  return out.append(digits.substr(whole));
}

std::string with_sign(bool negative, char sign, std::string text) {
  if (negative) return "-" + text;
  return sign == '-' ? text : sign + text;
}

}  // namespace

std::string pad_field(Sandbox& box, std::string_view text, const FieldStyle& style) {
  const int64_t length = static_cast<int64_t>(code_point_count(text));
  if (style.width <= length) return std::string(text);
  const int64_t missing = style.width - length;
  box.heap().require(static_cast<size_t>(missing) * style.fill.size());
  TextBuilder out(box);
  int64_t left = 0;
  if (style.alignment == '>') left = missing;
  if (style.alignment == '^') left = missing / 2;
  if (style.alignment == '=') {
    left = missing;
    size_t prefix = !text.empty() && std::string_view("+- ").find(text[0]) < 3 ? 1 : 0;
    const bool has_base = style.alternate && text.size() > prefix + 1 && text[prefix] == '0' &&
                          std::string_view("xXob").find(text[prefix + 1]) < 4;
    if (has_base) prefix += 2;
    out.append(text.substr(0, prefix));
    text.remove_prefix(prefix);
  }
  for (int64_t i = 0; i < left; ++i) out.append(style.fill);
  out.append(text);
  for (int64_t i = left; i < missing; ++i) out.append(style.fill);
  return out.take();
}

std::string format_integer(Sandbox& box, Int value, const FieldStyle& style) {
  const bool negative = value < 0;
  const auto magnitude =
      negative ? -static_cast<unsigned __int128>(value) : static_cast<unsigned __int128>(value);
  unsigned base = 10;
  std::string prefix;
  switch (style.type) {
    case 'x':
    case 'X': base = 16; break;
    case 'o': base = 8; break;
    case 'b': base = 2; break;
    default: break;
  }
  if (style.alternate && base != 10) prefix = std::string{'0', style.type};
  std::string digits = digits_of(magnitude, base, style.type == 'X');
  if (style.precision > static_cast<int64_t>(digits.size())) {
    box.heap().require(static_cast<size_t>(style.precision));
    digits.insert(0, static_cast<size_t>(style.precision) - digits.size(), '0');
  }
  if (style.grouping != 0) digits = grouped(digits, style.grouping, base == 10 ? 3 : 4);
  return with_sign(negative, style.sign, prefix + digits);
}

std::string format_real(Sandbox& box, double value, const FieldStyle& style) {
  const bool negative = std::signbit(value) && !std::isnan(value);
  const double magnitude = std::abs(value);
  if (style.type == 0 && style.precision < 0) {
    std::string text = real_to_text(magnitude);
    if (style.grouping != 0) text = grouped(text, style.grouping, 3);
    return with_sign(negative, style.sign, std::move(text));
  }
  constexpr int64_t kPrecisionMax = 1000;
  if (style.precision > kPrecisionMax) box.limit("a number with more than 1000 decimals");
  const int precision = style.precision < 0 ? 6 : static_cast<int>(style.precision);
  const bool percent = style.type == '%';
  char type = style.type == 0 || style.type == 'n' ? 'g' : percent ? 'f' : style.type;
  std::string text;
  if (!std::isfinite(magnitude)) {
    text = std::isnan(magnitude) ? "nan" : "inf";
    if (type == 'E' || type == 'F' || type == 'G') {
      for (char& character : text) character = static_cast<char>(character - 32);
    }
  } else {
    const std::string format = std::string(style.alternate ? "%#.*" : "%.*") + type;
    const double shown = percent ? magnitude * 100 : magnitude;
    char buffer[1400];
    const int length = std::snprintf(buffer, sizeof(buffer), format.c_str(), precision, shown);
    text.assign(buffer, static_cast<size_t>(length));
    // Without a type, Python's 'g' keeps a digit after the point.
    if (style.type == 0 && text.find_first_of(".e") == std::string::npos) text += ".0";
  }
  if (percent) text += '%';
  if (style.grouping != 0) text = grouped(text, style.grouping, 3);
  return with_sign(negative, style.sign, std::move(text));
}

}  // namespace minim::jinja
