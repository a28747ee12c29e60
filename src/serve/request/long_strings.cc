#include "serve/request/long_strings.h"

#include <cstdint>
#include <cstring>

#include "text/utf8.h"

namespace minim::serve {
namespace {

// The position of the closing quote, or the end of the text. Escaped quotes are none.
size_t find_end(std::string_view json, size_t begin) {
  size_t at = begin;
  for (;;) {
    const size_t quote = json.find('"', at);
    if (quote == std::string_view::npos) return json.size();
    size_t slashes = 0;
    while (quote - slashes > begin && json[quote - slashes - 1] == '\\') ++slashes;
    if (slashes % 2 == 0) return quote;
    at = quote + 1;
  }
}

// How many bytes from `at` on are plain: ASCII, and neither controls nor backslashes.
size_t plain_bytes(std::string_view raw, size_t at) {
  constexpr uint64_t kOnes = 0x0101010101010101;
  constexpr uint64_t kHighs = 0x8080808080808080;
  const size_t begin = at;
  for (; at + 8 <= raw.size(); at += 8) {
    uint64_t word = 0;
    std::memcpy(&word, raw.data() + at, 8);
    const uint64_t slashes = word ^ (kOnes * '\\');
    const uint64_t special = word | (word - kOnes * 0x20) | (slashes - kOnes);
    if ((special & kHighs) != 0) break;
  }
  while (at < raw.size() && raw[at] != '\\' && raw[at] >= 0x20) ++at;
  return at - begin;
}

std::optional<uint32_t> read_code_unit(std::string_view raw, size_t at) {
  if (at + 6 > raw.size() || raw[at] != '\\' || raw[at + 1] != 'u') return std::nullopt;
  uint32_t unit = 0;
  for (size_t i = at + 2; i < at + 6; ++i) {
    const char c = raw[i];
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) return std::nullopt;
    unit = unit * 16 + static_cast<uint32_t>(digit);
  }
  return unit;
}

// The bytes that the escape took; 0: it is none.
size_t read_escape(std::string_view raw, size_t at, std::string& value) {
  if (at + 1 >= raw.size()) return 0;
  constexpr std::string_view kNames = "\"\\/bfnrt";
  constexpr std::string_view kValues = "\"\\/\b\f\n\r\t";
  if (const size_t name = kNames.find(raw[at + 1]); name != std::string_view::npos) {
    value += kValues[name];
    return 2;
  }
  const auto unit = read_code_unit(raw, at);
  if (!unit || (*unit >= 0xdc00 && *unit < 0xe000)) return 0;
  if (*unit < 0xd800 || *unit >= 0xe000) {
    append_utf8(*unit, value);
    return 6;
  }
  const auto low = read_code_unit(raw, at + 6);
  if (!low || *low < 0xdc00 || *low >= 0xe000) return 0;
  append_utf8(0x10000 + ((*unit - 0xd800) << 10) + (*low - 0xdc00), value);
  return 12;
}

// What stands between the quotes, as far as it is right; returns how far.
size_t decode(std::string_view raw, std::string& value) {
  value.reserve(raw.size());
  for (size_t at = 0; at < raw.size();) {
    const size_t plain = plain_bytes(raw, at);
    value.append(raw, at, plain);
    at += plain;
    if (at == raw.size()) break;
    size_t taken = 0;
    if (raw[at] == '\\') {
      taken = read_escape(raw, at, value);
    } else if (const Utf8Character next = utf8_at(raw, at);
               next.valid && static_cast<unsigned char>(raw[at]) >= 0x80) {
      taken = next.length;
      value.append(raw, at, taken);
    }
    if (taken == 0) return at;
    at += taken;
  }
  return raw.size();
}

}  // namespace

size_t ShortenedJson::original_position(size_t position) const {
  size_t original = position;
  for (const auto& [at, bytes] : cuts) {
    if (at < position) original += bytes;
  }
  return original;
}

std::optional<ShortenedJson> shorten_strings(std::string_view json, size_t bytes_max) {
  if (json.size() <= bytes_max) return std::nullopt;
  ShortenedJson shortened;
  size_t copied = 0;
  size_t count = 0;
  for (size_t at = json.find('"'); at != std::string_view::npos; ++count) {
    const size_t begin = at + 1;
    const size_t end = find_end(json, begin);
    if (end - begin > bytes_max) {
      const std::string_view raw = json.substr(begin, end - begin);
      std::string value;
      const size_t right = decode(raw, value);
      shortened.text.append(json, copied, begin - copied);
      shortened.cuts.emplace_back(shortened.text.size(), right);
      copied = begin + right;
      if (right < raw.size() || end == json.size()) {
        shortened.is_broken = true;
        break;
      }
      shortened.strings.emplace(count, std::move(value));
    }
    if (end == json.size()) break;
    at = json.find('"', end + 1);
  }
  if (shortened.cuts.empty()) return std::nullopt;
  shortened.text.append(json, copied);
  return shortened;
}

}  // namespace minim::serve
