#include "text/jinja/text_search.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>

#include "text/jinja/operators.h"
#include "text/jinja/text_case.h"
#include "text/utf8.h"

namespace minim::jinja {
namespace {

bool is_line_end(char32_t code) {
  return (code >= 0x0A && code <= 0x0D) || (code >= 0x1C && code <= 0x1E) || code == 0x85 ||
         code == 0x2028 || code == 0x2029;
}

}  // namespace

size_t find_text(Sandbox& box, std::string_view text, std::string_view wanted, size_t from) {
  // The library's search takes the product of both lengths at worst: only for short ones.
  constexpr size_t kShort = 8;
  if (wanted.size() <= kShort) return text.find(wanted, from);
  if (from > text.size()) return std::string_view::npos;
  const void* found =
      ::memmem(text.data() + from, text.size() - from, wanted.data(), wanted.size());
  const size_t at = found == nullptr
                        ? std::string_view::npos
                        : static_cast<size_t>(static_cast<const char*>(found) - text.data());
  box.work(3 * (std::min(at, text.size()) - from + wanted.size()));
  return at;
}

size_t find_text_from_end(Sandbox& box, std::string_view text, std::string_view wanted) {
  constexpr size_t kShort = 8;
  if (wanted.size() <= kShort) return text.rfind(wanted);
  box.heap().require(text.size() + wanted.size());
  const std::string backwards(text.rbegin(), text.rend());
  const std::string wanted_backwards(wanted.rbegin(), wanted.rend());
  const size_t found = find_text(box, backwards, wanted_backwards);
  return found == std::string_view::npos ? found : text.size() - found - wanted.size();
}

std::string_view strip(Sandbox& box, std::string_view text, const Value& characters, bool left,
                       bool right) {
  if (characters.is_undefined()) fail_undefined(box, characters);
  if (!characters.is_none() && !characters.is_string()) box.fail("strip arg must be None or str");
  const std::string_view set = characters.is_string() ? characters.text() : std::string_view();
  const auto goes = [&](std::string_view character) {
    if (characters.is_none()) return is_space(utf8_at(character, 0).code);
    box.work(set.size());
    return set.find(character) != std::string_view::npos;
  };
  while (left && !text.empty()) {
    const size_t length = utf8_at(text, 0).length;
    if (!goes(text.substr(0, length))) break;
    text.remove_prefix(length);
  }
  while (right && !text.empty()) {
    size_t start = text.size() - 1;
    while (start > 0 && (static_cast<uint8_t>(text[start]) & 0xC0) == 0x80) --start;
    if (!goes(text.substr(start))) break;
    text.remove_suffix(text.size() - start);
  }
  return text;
}

std::string replace_all(Sandbox& box, std::string_view text, std::string_view old,
                        std::string_view replacement, int64_t count) {
  TextBuilder out(box);
  box.work(text.size());
  size_t position = 0;
  for (int64_t done = 0; count < 0 || done < count; ++done) {
    if (old.empty()) {  // between all characters
      out.append(replacement);
      if (position == text.size()) return out.take();
      const size_t length = utf8_at(text, position).length;
      out.append(text.substr(position, length));
      position += length;
      continue;
    }
    const size_t found = find_text(box, text, old, position);
    if (found == std::string_view::npos) break;
    out.append(text.substr(position, found - position));
    out.append(replacement);
    position = found + old.size();
  }
  out.append(text.substr(position));
  return out.take();
}

std::vector<std::string_view> split_lines(Sandbox& box, std::string_view text, bool keep_ends) {
  std::vector<std::string_view> lines;
  box.work(text.size());
  size_t start = 0;
  for (size_t i = 0; i < text.size();) {
    const Utf8Character character = utf8_at(text, i);
    size_t end = i + character.length;
    if (is_line_end(character.code)) {
      if (character.code == '\r' && end < text.size() && text[end] == '\n') ++end;
      box.step();
      box.heap().require((2 * lines.size() + 16) * sizeof(std::string_view));
      lines.push_back(text.substr(start, (keep_ends ? end : i) - start));
      start = end;
    }
    i = end;
  }
  if (start < text.size()) lines.push_back(text.substr(start));
  return lines;
}

Value justify(Sandbox& box, const Value& text, int64_t width, std::string_view fill,
              Alignment alignment) {
  const String& string = text.string();
  const int64_t length = static_cast<int64_t>(string.length);
  if (width <= length) return text;
  const int64_t missing = width - length;
  int64_t left = 0;
  if (alignment == Alignment::kRight) left = missing;
  // CPython's rule for the odd one.
  if (alignment == Alignment::kCenter) left = missing / 2 + (missing & width & 1);
  box.heap().require(static_cast<size_t>(missing) * fill.size());
  TextBuilder out(box);
  for (int64_t i = 0; i < left; ++i) out.append(fill);
  out.append(string.text);
  for (int64_t i = left; i < missing; ++i) out.append(fill);
  return out.take_value(string.safe);
}

}  // namespace minim::jinja
