// Methods of strings that make another string.
#include <fmt/core.h>

#include <algorithm>

#include "text/jinja/iteration.h"
#include "text/jinja/markup.h"
#include "text/jinja/natives.h"
#include "text/jinja/operators.h"
#include "text/jinja/print.h"
#include "text/jinja/text_case.h"
#include "text/jinja/text_format.h"
#include "text/jinja/text_search.h"
#include "text/utf8.h"

namespace minim::jinja {
namespace {

std::string_view text_argument(Sandbox& box, const Value& value, const char* method) {
  if (value.is_undefined()) fail_undefined(box, value);
  if (!value.is_string()) {
    box.fail(fmt::format("{}() takes a string, not {}", method, type_name(value)));
  }
  return value.text();
}

Value same_kind(Sandbox& box, const Value& self, std::string_view text) {
  return box.string(std::string(text), self.string().safe);
}

template <std::string (*kChange)(std::string_view)>
Value change_case(Sandbox& box, const Value& self, Values&) {
  box.step(self.text().size() / 4 + 1);
  box.heap().require(5 * self.text().size());  // code points and the result
  return box.string(kChange(self.text()), self.string().safe);
}

template <bool kLeft, bool kRight>
Value strip_method(Sandbox& box, const Value& self, Values& arguments) {
  const Value characters = arguments[0].is_missing() ? Value::none() : arguments[0];
  box.work(self.text().size());
  return same_kind(box, self, strip(box, self.text(), characters, kLeft, kRight));
}

Value replace_method(Sandbox& box, const Value& self, Values& arguments) {
  const std::string_view old = text_argument(box, arguments[0], "replace");
  std::string replacement(text_argument(box, arguments[1], "replace"));
  const bool safe = self.string().safe;
  if (safe && !arguments[1].string().safe) replacement = escape_markup(box, replacement);
  const int64_t count =
      arguments[2].is_missing() ? -1 : to_int64(box, arguments[2], "replace()'s count");
  return box.string(replace_all(box, self.text(), old, replacement, count), safe);
}

Value join_method(Sandbox& box, const Value& self, Values& arguments) {
  const bool safe = self.string().safe;
  TextBuilder out(box);
  const Ref<Iterator> iterator = iterate(box, arguments[0]);
  Value item;
  for (bool first = true; iterator->next(box, item); first = false) {
    if (!first) out.append(self.text());
    const std::string_view text = text_argument(box, item, "join");
    if (safe && !item.string().safe) {
      out.append(escape_markup(box, text));
    } else {
      out.append(text);
    }
  }
  return out.take_value(safe);
}

template <Alignment kAlignment>
Value justify_method(Sandbox& box, const Value& self, Values& arguments) {
  const int64_t width = to_int64(box, arguments[0], "the width");
  std::string fill = " ";
  if (!arguments[1].is_missing()) {
    fill = text_argument(box, arguments[1], "justify");
    if (arguments[1].string().length != 1) {
      box.fail("The fill character must be exactly one character long");
    }
  }
  return justify(box, self, width, fill, kAlignment);
}

Value zero_fill(Sandbox& box, const Value& self, Values& arguments) {
  FieldStyle style;
  style.fill = "0";
  style.alignment = '=';
  style.width = to_int64(box, arguments[0], "zfill()'s width");
  std::string_view text = self.text();
  const bool has_sign = text.starts_with('+') || text.starts_with('-');
  if (!has_sign) style.alignment = '>';
  return same_kind(box, self, pad_field(box, text, style));
}

Value expand_tabs(Sandbox& box, const Value& self, Values& arguments) {
  const int64_t size =
      arguments[0].is_missing() ? 8 : to_int64(box, arguments[0], "expandtabs()'s size");
  TextBuilder out(box);
  int64_t column = 0;
  const std::string_view text = self.text();
  for (size_t i = 0; i < text.size();) {
    const size_t length = utf8_at(text, i).length;
    if (text[i] == '\t') {
      const int64_t spaces = size > 0 ? size - column % size : 0;
      box.heap().require(static_cast<size_t>(spaces));
      out.append(static_cast<size_t>(spaces), ' ');
      column += spaces;
    } else {
      out.append(text.substr(i, length));
      column = text[i] == '\n' || text[i] == '\r' ? 0 : column + 1;
    }
    i += length;
  }
  return out.take_value(self.string().safe);
}

Value remove_prefix(Sandbox& box, const Value& self, Values& arguments) {
  std::string_view text = self.text();
  const std::string_view prefix = text_argument(box, arguments[0], "removeprefix");
  if (text.starts_with(prefix)) text.remove_prefix(prefix.size());
  return same_kind(box, self, text);
}

Value remove_suffix(Sandbox& box, const Value& self, Values& arguments) {
  std::string_view text = self.text();
  const std::string_view suffix = text_argument(box, arguments[0], "removesuffix");
  if (text.ends_with(suffix)) text.remove_suffix(suffix.size());
  return same_kind(box, self, text);
}

Value format_method(Sandbox& box, const Value& self, Values& arguments) {
  return format_braces(box, self, arguments[0], arguments[1]);
}

Value format_map(Sandbox& box, const Value& self, Values& arguments) {
  if (!arguments[0].is_dict()) box.fail("format_map() takes a mapping");
  return format_braces(box, self, box.tuple({}), arguments[0]);
}

constexpr Native kStringMethods[] = {
    {"upper", "", change_case<to_upper>},
    {"lower", "", change_case<to_lower>},
    {"title", "", change_case<to_title>},
    {"capitalize", "", change_case<to_capitalized>},
    {"swapcase", "", change_case<to_swapped_case>},
    {"casefold", "", change_case<to_folded_case>},
    {"strip", "/?chars", strip_method<true, true>},
    {"lstrip", "/?chars", strip_method<true, false>},
    {"rstrip", "/?chars", strip_method<false, true>},
    {"replace", "/old new ?count", replace_method},
    {"join", "/iterable", join_method},
    {"ljust", "/width ?fillchar", justify_method<Alignment::kLeft>},
    {"rjust", "/width ?fillchar", justify_method<Alignment::kRight>},
    {"center", "/width ?fillchar", justify_method<Alignment::kCenter>},
    {"zfill", "/width", zero_fill},
    {"expandtabs", "?tabsize", expand_tabs},
    {"removeprefix", "/prefix", remove_prefix},
    {"removesuffix", "/suffix", remove_suffix},
    {"format", "* **", format_method},
    {"format_map", "/mapping", format_map},
};

}  // namespace

std::span<const Native> string_methods() { return kStringMethods; }

}  // namespace minim::jinja
