// Methods of strings that look into them: splitting, finding, classifying.
#include <fmt/core.h>

#include <algorithm>

#include "text/jinja/natives.h"
#include "text/jinja/operators.h"
#include "text/jinja/text_case.h"
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

// Where code point `index` begins. REQUIRES: index <= the text's length.
size_t byte_of(const String& string, size_t index) {
  if (string.is_ascii()) return index;
  size_t byte = 0;
  for (; index > 0; --index) byte += utf8_at(string.text, byte).length;
  return byte;
}

// The part of a string that a method looks at: [start, end) in code points as given, clamped.
struct Window {
  std::string_view text;
  size_t start = 0;   // in code points
  bool valid = true;  // false: it begins past its end, and not even "" is in it
};

Window make_window(Sandbox& box, const Value& self, const Value& start, const Value& end) {
  const String& string = self.string();
  const int64_t length = static_cast<int64_t>(string.length);
  box.work(string.text.size());
  const auto bound = [&](const Value& value, int64_t otherwise) {
    if (value.is_missing() || value.is_none()) return otherwise;
    const int64_t at = to_int64(box, value, "a bound");
    return at < 0 ? std::max<int64_t>(at + length, 0) : at;
  };
  const int64_t first = bound(start, 0);
  const int64_t last = std::min(bound(end, length), length);
  if (first > last) return {{}, 0, false};
  const size_t begin_byte = byte_of(string, static_cast<size_t>(first));
  const size_t end_byte = byte_of(string, static_cast<size_t>(last));
  return {std::string_view(string.text).substr(begin_byte, end_byte - begin_byte),
          static_cast<size_t>(first), true};
}

size_t code_points(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char byte) {
    return (static_cast<uint8_t>(byte) & 0xC0) != 0x80;
  }));
}

template <bool kFromEnd, bool kMustBeThere>
Value find_method(Sandbox& box, const Value& self, Values& arguments) {
  const std::string_view wanted = text_argument(box, arguments[0], "find");
  const Window window = make_window(box, self, arguments[1], arguments[2]);
  size_t found = std::string_view::npos;
  if (window.valid) {
    found = kFromEnd ? find_text_from_end(box, window.text, wanted)
                     : find_text(box, window.text, wanted);
  }
  if (found == std::string_view::npos) {
    if (kMustBeThere) box.fail("substring not found");
    return Value(Int(-1));
  }
  return Value(static_cast<Int>(window.start + code_points(window.text.substr(0, found))));
}

Value count_method(Sandbox& box, const Value& self, Values& arguments) {
  const std::string_view wanted = text_argument(box, arguments[0], "count");
  const Window window = make_window(box, self, arguments[1], arguments[2]);
  if (!window.valid) return Value(Int(0));
  if (wanted.empty()) return Value(static_cast<Int>(code_points(window.text) + 1));
  Int count = 0;
  for (size_t at = find_text(box, window.text, wanted); at != std::string_view::npos;
       at = find_text(box, window.text, wanted, at + wanted.size())) {
    ++count;
  }
  return Value(count);
}

template <bool kAtEnd>
Value has_affix(Sandbox& box, const Value& self, Values& arguments) {
  const Window window = make_window(box, self, arguments[1], arguments[2]);
  const auto matches = [&](const Value& affix) {
    const std::string_view text = text_argument(box, affix, kAtEnd ? "endswith" : "startswith");
    return window.valid && (kAtEnd ? window.text.ends_with(text) : window.text.starts_with(text));
  };
  if (!arguments[0].is(Kind::kTuple)) return Value(matches(arguments[0]));
  for (const Value& affix : arguments[0].items()) {
    if (matches(affix)) return Value(true);
  }
  return Value(false);
}

class Splitter {
 public:
  Splitter(Sandbox& box, const Value& self) : box_(box), self_(self) {}

  void add(std::string_view piece) {
    pieces_.push_back(box_.string(std::string(piece), self_.string().safe));
  }

  // At white space, without empty pieces.
  void at_spaces(int64_t splits_max) {
    std::string_view rest = strip(box_, self_.text(), Value::none(), true, false);
    for (int64_t splits = 0; !rest.empty(); ++splits) {
      if (splits == splits_max) return add(rest);
      size_t end = 0;
      while (end < rest.size() && !is_space(utf8_at(rest, end).code)) {
        end += utf8_at(rest, end).length;
      }
      add(rest.substr(0, end));
      rest = strip(box_, rest.substr(end), Value::none(), true, false);
    }
  }

  void at_spaces_from_end(int64_t splits_max) {
    std::string_view rest = strip(box_, self_.text(), Value::none(), false, true);
    for (int64_t splits = 0; !rest.empty(); ++splits) {
      if (splits == splits_max) {
        add(rest);
        break;
      }
      size_t start = rest.size();
      while (start > 0) {
        size_t before = start - 1;
        while (before > 0 && (static_cast<uint8_t>(rest[before]) & 0xC0) == 0x80) --before;
        if (is_space(utf8_at(rest, before).code)) break;
        start = before;
      }
      add(rest.substr(start));
      rest = strip(box_, rest.substr(0, start), Value::none(), false, true);
    }
    std::reverse(pieces_.begin(), pieces_.end());
  }

  void at_separator(std::string_view separator, int64_t splits_max) {
    std::string_view rest = self_.text();
    for (int64_t splits = 0; splits != splits_max; ++splits) {
      const size_t found = find_text(box_, rest, separator);
      if (found == std::string_view::npos) break;
      add(rest.substr(0, found));
      rest.remove_prefix(found + separator.size());
    }
    add(rest);
  }

  void at_separator_from_end(std::string_view separator, int64_t splits_max) {
    std::string_view rest = self_.text();
    for (int64_t splits = 0; splits != splits_max; ++splits) {
      box_.work(rest.size());
      const size_t found = find_text_from_end(box_, rest, separator);
      if (found == std::string_view::npos) break;
      add(rest.substr(found + separator.size()));
      rest = rest.substr(0, found);
    }
    add(rest);
    std::reverse(pieces_.begin(), pieces_.end());
  }

  Value take() { return box_.list(std::move(pieces_)); }

 private:
  Sandbox& box_;
  const Value& self_;
  Values pieces_;
};

template <bool kFromEnd>
Value split_method(Sandbox& box, const Value& self, Values& arguments) {
  const int64_t splits_max =
      arguments[1].is_missing() ? -1 : to_int64(box, arguments[1], "split()'s maxsplit");
  box.work(self.text().size());
  Splitter splitter(box, self);
  if (arguments[0].is_missing() || arguments[0].is_none()) {
    kFromEnd ? splitter.at_spaces_from_end(splits_max) : splitter.at_spaces(splits_max);
    return splitter.take();
  }
  const std::string_view separator = text_argument(box, arguments[0], "split");
  if (separator.empty()) box.fail("empty separator");
  if (kFromEnd) {
    splitter.at_separator_from_end(separator, splits_max);
  } else {
    splitter.at_separator(separator, splits_max);
  }
  return splitter.take();
}

Value split_lines_method(Sandbox& box, const Value& self, Values& arguments) {
  const bool keep_ends = !arguments[0].is_missing() && truth(arguments[0]);
  Splitter splitter(box, self);
  for (const std::string_view line : split_lines(box, self.text(), keep_ends)) splitter.add(line);
  return splitter.take();
}

template <bool kFromEnd>
Value partition(Sandbox& box, const Value& self, Values& arguments) {
  const std::string_view separator = text_argument(box, arguments[0], "partition");
  if (separator.empty()) box.fail("empty separator");
  const std::string_view text = self.text();
  box.work(text.size());
  const size_t found =
      kFromEnd ? find_text_from_end(box, text, separator) : find_text(box, text, separator);
  const bool safe = self.string().safe;
  const auto piece = [&](std::string_view part) { return box.string(std::string(part), safe); };
  if (found == std::string_view::npos) {
    return kFromEnd ? box.tuple({piece(""), piece(""), piece(text)})
                    : box.tuple({piece(text), piece(""), piece("")});
  }
  return box.tuple({piece(text.substr(0, found)), piece(separator),
                    piece(text.substr(found + separator.size()))});
}

// Whether the string has characters and all of them are of the class.
template <bool (*kIsOne)(char32_t)>
Value all_of_class(Sandbox& box, const Value& self, Values&) {
  const std::string_view text = self.text();
  box.work(text.size());
  for (size_t i = 0; i < text.size();) {
    const Utf8Character character = utf8_at(text, i);
    if (!kIsOne(character.code)) return Value(false);
    i += character.length;
  }
  return Value(!text.empty());
}

bool is_alphanumeric(char32_t code) { return is_letter(code) || is_numeric(code); }

Value is_ascii(Sandbox&, const Value& self, Values&) { return Value(self.string().is_ascii()); }

template <bool (*kHolds)(std::string_view)>
Value whole_text(Sandbox& box, const Value& self, Values&) {
  box.step(self.text().size() / 4 + 1);
  box.heap().require(4 * self.text().size());
  return Value(kHolds(self.text()));
}

constexpr Native kSearchMethods[] = {
    {"find", "/sub ?start ?end", find_method<false, false>},
    {"rfind", "/sub ?start ?end", find_method<true, false>},
    {"index", "/sub ?start ?end", find_method<false, true>},
    {"rindex", "/sub ?start ?end", find_method<true, true>},
    {"count", "/sub ?start ?end", count_method},
    {"startswith", "/prefix ?start ?end", has_affix<false>},
    {"endswith", "/suffix ?start ?end", has_affix<true>},
    {"split", "?sep ?maxsplit", split_method<false>},
    {"rsplit", "?sep ?maxsplit", split_method<true>},
    {"splitlines", "?keepends", split_lines_method},
    {"partition", "/sep", partition<false>},
    {"rpartition", "/sep", partition<true>},
    {"isalpha", "", all_of_class<is_letter>},
    {"isdigit", "", all_of_class<is_digit>},
    {"isdecimal", "", all_of_class<is_decimal>},
    {"isnumeric", "", all_of_class<is_numeric>},
    {"isalnum", "", all_of_class<is_alphanumeric>},
    {"isspace", "", all_of_class<is_space>},
    {"isascii", "", is_ascii},
    {"isupper", "", whole_text<is_upper_text>},
    {"islower", "", whole_text<is_lower_text>},
    {"istitle", "", whole_text<is_title_text>},
};

}  // namespace

std::span<const Native> string_search_methods() { return kSearchMethods; }

}  // namespace minim::jinja
