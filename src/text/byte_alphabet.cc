#include "text/byte_alphabet.h"

#include <array>

#include "text/utf8.h"

namespace minim {
namespace {

constexpr char32_t kLettersMax = 0x144;  // 256 + the 68 bytes that are not visible themselves

struct Alphabet {
  std::array<char32_t, 256> letter{};
  std::array<int16_t, kLettersMax> byte{};
};

// Visible Latin-1 characters stand for themselves, the others, in order, for 256 and up.
constexpr Alphabet kAlphabet = [] {
  Alphabet alphabet;
  alphabet.byte.fill(-1);
  char32_t next = 256;
  for (int b = 0; b < 256; ++b) {
    const bool visible = (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
    const char32_t letter = visible ? static_cast<char32_t>(b) : next++;
    alphabet.letter[static_cast<size_t>(b)] = letter;
    alphabet.byte[letter] = static_cast<int16_t>(b);
  }
  return alphabet;
}();

}  // namespace

char32_t byte_to_letter(uint8_t byte) { return kAlphabet.letter[byte]; }

std::optional<std::string> decode_letters(std::string_view letters) {
  std::string bytes;
  for (size_t i = 0; i < letters.size();) {
    const Utf8Character letter = utf8_at(letters, i);
    if (!letter.valid || letter.code >= kLettersMax || kAlphabet.byte[letter.code] < 0) {
      return std::nullopt;
    }
    bytes += static_cast<char>(kAlphabet.byte[letter.code]);
    i += letter.length;
  }
  return bytes;
}

std::string encode_letters(std::string_view bytes) {
  std::string letters;
  for (const char byte : bytes) append_utf8(byte_to_letter(static_cast<uint8_t>(byte)), letters);
  return letters;
}

}  // namespace minim
