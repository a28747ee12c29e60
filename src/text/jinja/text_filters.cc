// Filters on text.
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

// The value as a string that stays markup if it is (jinja2's soft_str).
Value soft(Sandbox& box, const Value& value) {
  return value.is_string() ? value : box.string(to_text(box, value));
}

template <std::string (*kChange)(std::string_view)>
Value change_case(Sandbox& box, const Value& self, Values&) {
  const Value text = soft(box, self);
  box.step(text.text().size() / 4 + 1);
  box.heap().require(5 * text.text().size());  // code points and the result
  return box.string(kChange(text.text()), text.string().safe);
}

// Words as jinja2 sees them: they begin after white space and ( [ { < -.
std::string title_words(std::string_view text) {
  std::string out;
  const auto begins_word = [](char32_t code) {
    return is_space(code) || code == '-' || code == '(' || code == '{' || code == '[' ||
           code == '<';
  };
  for (size_t i = 0; i < text.size();) {
    size_t end = i;
    while (end < text.size() && begins_word(utf8_at(text, end).code)) {
      end += utf8_at(text, end).length;
    }
    out += text.substr(i, end - i);
    i = end;
    while (end < text.size() && !begins_word(utf8_at(text, end).code)) {
      end += utf8_at(text, end).length;
    }
    if (end == i) continue;
    const size_t first = utf8_at(text, i).length;
    out += to_upper(text.substr(i, first));
    out += to_lower(text.substr(i + first, end - i - first));
    i = end;
  }
  return out;
}

Value trim(Sandbox& box, const Value& self, Values& arguments) {
  const Value text = soft(box, self);
  box.work(text.text().size());
  const Value characters = arguments[0].is_missing() ? Value::none() : arguments[0];
  return box.string(std::string(strip(box, text.text(), characters, true, true)),
                    text.string().safe);
}

Value replace_filter(Sandbox& box, const Value& self, Values& arguments) {
  int64_t count = -1;
  if (!arguments[2].is_missing() && !arguments[2].is_none()) {
    count = to_int64(box, arguments[2], "replace()'s count");
  }
  return box.string(replace_all(box, to_text(box, self), to_text(box, arguments[0]),
                                to_text(box, arguments[1]), count));
}

Value string_filter(Sandbox& box, const Value& self, Values&) { return soft(box, self); }
Value escape_filter(Sandbox& box, const Value& self, Values&) { return to_markup(box, self); }

Value force_escape(Sandbox& box, const Value& self, Values&) {
  return box.string(escape_markup(box, to_text(box, self)), true);
}

Value safe(Sandbox& box, const Value& self, Values&) {
  return box.string(to_text(box, self), true);
}

Value indent(Sandbox& box, const Value& self, Values& arguments) {
  if (self.is_undefined()) fail_undefined(box, self);
  if (!self.is_string()) box.fail("indent() takes a string");
  const bool safe_text = self.string().safe;
  std::string margin(4, ' ');
  if (arguments[0].is_string()) {
    margin = safe_text && !arguments[0].string().safe ? to_text(box, arguments[0])
                                                      : std::string(arguments[0].text());
  } else if (!arguments[0].is_missing()) {
    const int64_t width = std::max<int64_t>(to_int64(box, arguments[0], "indent()'s width"), 0);
    box.heap().require(static_cast<size_t>(width));
    margin.assign(static_cast<size_t>(width), ' ');
  }
  const bool first = !arguments[1].is_missing() && truth(arguments[1]);
  const bool blank = !arguments[2].is_missing() && truth(arguments[2]);
  const std::string text = std::string(self.text()) + "\n";
  const auto lines = split_lines(box, text, false);
  TextBuilder out(box);
  for (size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) out.append("\n");
    if (i == 0 ? first : (blank || !lines[i].empty())) out.append(margin);
    out.append(lines[i]);
  }
  return out.take_value(safe_text);
}

Value center_filter(Sandbox& box, const Value& self, Values& arguments) {
  const Value text = soft(box, self);
  const int64_t width =
      arguments[0].is_missing() ? 80 : to_int64(box, arguments[0], "center()'s width");
  return justify(box, text, width, " ", Alignment::kCenter);
}

Value truncate(Sandbox& box, const Value& self, Values& arguments) {
  const auto number = [&](size_t i, int64_t otherwise) {
    const Value& value = arguments[i];
    if (value.is_missing() || (i == 3 && value.is_none())) return otherwise;
    return to_int64(box, value, "truncate()'s number");
  };
  const int64_t length = number(0, 255);
  const int64_t leeway = number(3, 5);
  const bool cuts_words = !arguments[1].is_missing() && truth(arguments[1]);
  const Value end = arguments[2].is_missing() ? box.string("...") : soft(box, arguments[2]);
  const int64_t end_length = static_cast<int64_t>(end.string().length);
  if (length < end_length) {
    box.fail(fmt::format("expected length >= {}, got {}", end_length, length));
  }
  if (leeway < 0) box.fail(fmt::format("expected leeway >= 0, got {}", leeway));
  const auto size = length_of(self);
  if (size && static_cast<int64_t>(*size) <= length + leeway) return self;
  if (!self.is_string()) box.fail("truncate() takes a string");
  Value kept = get_slice(box, self, Value::none(), Value(Int(length - end_length)), Value::none());
  if (!cuts_words) {
    const size_t space = kept.text().rfind(' ');
    if (space != std::string_view::npos) {
      kept = box.string(std::string(kept.text().substr(0, space)), self.string().safe);
    }
  }
  return apply(box, Binary::kAdd, kept, end);
}

Value count_words(Sandbox& box, const Value& self, Values&) {
  const Value text = soft(box, self);
  box.work(text.text().size());
  Int count = 0;
  bool in_word = false;
  for (size_t i = 0; i < text.text().size();) {
    const Utf8Character character = utf8_at(text.text(), i);
    const bool word = is_word(character.code);
    count += word && !in_word;
    in_word = word;
    i += character.length;
  }
  return Value(count);
}

Value format_filter(Sandbox& box, const Value& self, Values& arguments) {
  const Value text = soft(box, self);
  const bool positional = !arguments[0].items().empty();
  const bool named = !arguments[1].dict().entries.empty();
  if (positional && named) {
    box.fail("format() can't handle positional and keyword arguments at the same time");
  }
  return format_percent(box, text, named ? arguments[1] : arguments[0]);
}

// urllib.parse.quote: what is not unreserved becomes %XX.
void append_quoted(std::string_view text, bool for_query, TextBuilder& out) {
  for (const char character : text) {
    const bool is_alphanumeric = (character >= '0' && character <= '9') ||
                                 ((character | 0x20) >= 'a' && (character | 0x20) <= 'z');
    if (is_alphanumeric || std::string_view("_.-~").find(character) != std::string_view::npos ||
        (character == '/' && !for_query)) {
      out.append({&character, 1});
    } else if (character == ' ' && for_query) {
      out.append("+");
    } else {
      out.append(fmt::format("%{:02X}", static_cast<uint8_t>(character)));
    }
  }
}

Value url_encode(Sandbox& box, const Value& self, Values&) {
  TextBuilder out(box);
  if (self.is_string() || !is_iterable(self)) {
    append_quoted(to_text(box, self), false, out);
    return out.take_value();
  }
  const Value pairs = self.is_dict() ? box.make<View>(Kind::kView, self, ViewKind::kItems) : self;
  const Ref<Iterator> iterator = iterate(box, pairs);
  Value item;
  for (bool first = true; iterator->next(box, item); first = false) {
    const Values pair = collect(box, item);
    if (pair.size() != 2) box.fail("urlencode takes pairs");
    if (!first) out.append("&");
    append_quoted(to_text(box, pair[0]), true, out);
    out.append("=");
    append_quoted(to_text(box, pair[1]), true, out);
  }
  return out.take_value();
}

void read_separators(Sandbox& box, const Value& value, JsonStyle& style) {
  const Values pair = collect(box, value);
  if (pair.size() != 2 || !pair[0].is_string() || !pair[1].is_string()) {
    box.fail("tojson's separators are two strings");
  }
  style.item_separator = pair[0].text();
  style.key_separator = pair[1].text();
}

Value json_filter(Sandbox& box, const Value& self, Values& arguments) {
  JsonStyle style;
  style.ascii_only = !arguments[0].is_missing() && truth(arguments[0]);
  const Value& margin = arguments[1];
  if (!margin.is_missing() && !margin.is_none()) {
    style.indented = true;
    style.item_separator = ",";
    if (margin.is_string()) {
      style.indent = margin.text();
    } else {
      const int64_t width = std::max<int64_t>(to_int64(box, margin, "tojson's indent"), 0);
      box.heap().require(static_cast<size_t>(width));
      style.indent.assign(static_cast<size_t>(width), ' ');
    }
  }
  if (!arguments[2].is_missing() && !arguments[2].is_none()) {
    read_separators(box, arguments[2], style);
  }
  style.sort_keys = !arguments[3].is_missing() && truth(arguments[3]);
  return box.string(to_json(box, self, style));
}

constexpr Native kTextFilters[] = {
    {"upper", "", change_case<to_upper>},
    {"lower", "", change_case<to_lower>},
    {"capitalize", "", change_case<to_capitalized>},
    {"title", "", change_case<title_words>},
    {"trim", "?chars", trim},
    {"replace", "old new ?count", replace_filter},
    {"string", "", string_filter},
    {"escape", "", escape_filter},
    {"e", "", escape_filter},
    {"forceescape", "", force_escape},
    {"safe", "", safe},
    {"indent", "?width ?first ?blank", indent},
    {"center", "?width", center_filter},
    {"truncate", "?length ?killwords ?end ?leeway", truncate},
    {"wordcount", "", count_words},
    {"format", "* **", format_filter},
    {"urlencode", "", url_encode},
    {"tojson", "?ensure_ascii ?indent ?separators ?sort_keys", json_filter},
};

}  // namespace

std::span<const Native> text_filters() { return kTextFilters; }

}  // namespace minim::jinja
