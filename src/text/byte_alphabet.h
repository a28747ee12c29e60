// GPT-2's printable alphabet: one visible character for each byte, in which byte BPE vocabularies
// are stored (Radford et al., 2019: bytes_to_unicode).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace minim {

// The character that stands for `byte`.
char32_t byte_to_letter(uint8_t byte);
// Bytes written in the alphabet, or nothing if a character is not in it.
std::optional<std::string> decode_letters(std::string_view letters);
std::string encode_letters(std::string_view bytes);

}  // namespace minim
