#include "formats/byte_reader.h"

#include <fmt/core.h>

#include "base/error.h"
#include "text/utf8.h"

namespace minim {
namespace {

// Unicode's controls of writing direction, which make a line read as something else.
bool turns_text(uint32_t code) {
  return code == 0x61c || code == 0x200e || code == 0x200f || (code >= 0x202a && code <= 0x202e) ||
         (code >= 0x2066 && code <= 0x2069);
}

}  // namespace

std::string printable(std::string_view text, size_t bytes_max) {
  std::string shown;
  size_t position = 0;
  while (position < text.size()) {
    if (position >= bytes_max) return shown + "...";
    const Utf8Character character = utf8_at(text, position);
    const auto first = static_cast<unsigned char>(text[position]);
    if (character.valid && character.code >= 0x20 &&
        (character.code < 0x7f || character.code >= 0xa0) && !turns_text(character.code)) {
      shown.append(text.substr(position, character.length));
    } else {
      // What is escaped is shown byte by byte; the rest of a longer character is no character.
      shown += fmt::format("\\x{:02x}", first);
      ++position;
      continue;
    }
    position += character.length;
  }
  return shown;
}

void ByteReader::throw_truncated(uint64_t count, const char* what) const {
  throw Error(ErrorCode::kFormat,
              fmt::format("{}: the file ends inside {}: {} bytes are needed at offset {}, {} are "
                          "left",
                          origin_, what, count, position_, remaining()));
}

void MemoryBudget::charge(uint64_t count, uint64_t bytes_each) {
  if (bytes_each > 0 && count > left_ / bytes_each) {
    throw Error(ErrorCode::kLimit,
                fmt::format("{}: reading the header would take far more memory than the file is "
                            "large",
                            origin_));
  }
  left_ -= count * bytes_each;
}

void MemoryBudget::charge_string(uint64_t length) {
  // Up to 15 bytes live inside the object.
  if (length > 15) charge(1, (length + 32) & ~uint64_t{15});
}

}  // namespace minim
