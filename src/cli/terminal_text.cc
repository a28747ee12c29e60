#include "cli/terminal_text.h"

#include "text/utf8.h"

namespace minim::cli {
namespace {

constexpr char32_t kControlPictures = 0x2400;
constexpr char32_t kDeletePicture = 0x2421;

// Left-to-right and right-to-left override: they show a text in another order than it has.
bool is_override(char32_t code) { return code == 0x202D || code == 0x202E; }

void append_safe(const Utf8Character& character, std::string& out) {
  const char32_t code = character.code;
  if (code == '\r') return;
  if (!character.valid || (code >= 0x80 && code < 0xA0) || is_override(code)) {
    append_utf8(kReplacementCharacter, out);
  } else if (code == 0x7F) {
    append_utf8(kDeletePicture, out);
  } else if (code < 0x20 && code != '\n' && code != '\t') {
    append_utf8(kControlPictures + code, out);
  } else {
    append_utf8(code, out);
  }
}

}  // namespace

std::string terminal_text(std::string_view text) {
  std::string safe;
  safe.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const Utf8Character character = utf8_at(text, at);
    append_safe(character, safe);
    at += character.length;
  }
  return safe;
}

std::string TerminalText::feed(std::string_view piece) {
  held_ += piece;
  const size_t whole = complete_utf8_prefix(held_);
  std::string safe = terminal_text(std::string_view(held_).substr(0, whole));
  held_.erase(0, whole);
  return safe;
}

std::string TerminalText::finish() {
  std::string safe = terminal_text(held_);
  held_.clear();
  return safe;
}

}  // namespace minim::cli
