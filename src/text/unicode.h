// Character classes, case and normal forms of Unicode, over utf8proc's tables.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "text/utf8.h"

namespace minim {

// The classes that tokenizers ask for, one bit each. White_Space is a property: some of
// its characters are controls too.
enum CharacterClass : uint8_t {
  kLetterClass = 1,       // L
  kNumberClass = 2,       // N
  kSpaceClass = 4,        // White_Space
  kPunctuationClass = 8,  // P
  kSymbolClass = 16,      // S
  kMarkClass = 32,        // M
  kControlClass = 64,     // Cc, Cf, Co: controls, formats, private use
  kUnassignedClass = 128,
};

uint8_t character_class(char32_t code);

inline bool is_letter(char32_t code) { return character_class(code) & kLetterClass; }
inline bool is_number(char32_t code) { return character_class(code) & kNumberClass; }
inline bool is_space(char32_t code) { return character_class(code) & kSpaceClass; }

// Mn: the marks that accent-stripping removes.
bool is_nonspacing_mark(char32_t code);
char32_t to_lower(char32_t code);

enum class NormalForm { kNone, kNfc, kNfd, kNfkc, kNfkd };

// "", "nfc", "nfd", "nfkc", "nfkd"; nothing for any other name.
std::optional<NormalForm> parse_normal_form(std::string_view name);

// `text` in the normal form (UAX 15), bytes that are not UTF-8 left where they are. Linear, but for
// sorting each run of combining marks.
std::string normalize(std::string_view text, NormalForm form);

}  // namespace minim
