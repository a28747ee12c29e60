// UTF-8 over bytes that may be anything: every byte string has exactly one reading here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace minim {

inline constexpr char32_t kReplacementCharacter = 0xFFFD;

struct Utf8Character {
  char32_t code = kReplacementCharacter;
  uint8_t length = 1;  // bytes taken from the text
  bool valid = false;  // false: one byte that starts no character (Unicode 15, table 3-7)
};

// The character at text[position]; never reads past the end. REQUIRES: position < text.size().
Utf8Character utf8_at(std::string_view text, size_t position);

// REQUIRES: code is a Unicode scalar value.
void append_utf8(char32_t code, std::string& out);

bool is_valid_utf8(std::string_view text);

// `text` with each byte that belongs to no character replaced by U+FFFD.
std::string replace_invalid_utf8(std::string_view text);

// The length of the longest prefix that does not end inside a character which further bytes could
// still complete: what a stream may print now.
size_t complete_utf8_prefix(std::string_view text);

}  // namespace minim
