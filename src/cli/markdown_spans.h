// The spans of a line of Markdown: emphasis, inline code, escapes. See markdown_stream.h.
#pragma once

#include <cstdint>
#include <string_view>

namespace minim::cli {

// Bits of a style.
inline constexpr uint8_t kBold = 1;
inline constexpr uint8_t kItalic = 2;
inline constexpr uint8_t kCode = 4;
inline constexpr uint8_t kDim = 8;
inline constexpr uint8_t kUnderline = 16;

// What comes first in a line: text as it is, or a span with a style of its own.
struct MarkdownSpan {
  size_t bytes = 0;        // of the line, marks included; 0: it takes more text to tell
  std::string_view inner;  // without the marks
  uint8_t style = 0;       // 0, kCode: `inner` is shown as it is; else it holds spans itself
};

// REQUIRES: line is not empty and holds no newline. `previous` is the character before it, 0 for
// none; `complete`: the line ends there. What is told of an incomplete line stays true of every
// line that begins so.
MarkdownSpan next_markdown_span(std::string_view line, char32_t previous, bool complete);

// The last character of a text, 0 for none.
char32_t last_character(std::string_view text);

}  // namespace minim::cli
