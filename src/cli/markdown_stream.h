// Markdown for a terminal, while it is being written: headings, bold, italics, inline code, fenced
// code, lists, quotes and rules, by the escape sequences of ECMA-48 (SGR).
//
// The rules are those of CommonMark, made stricter where models and terminals need it:
//  - emphasis begins after white space or opening punctuation and ends within its line, so that
//    2*3*4, snake_case and formulas stay what they are; marks without a partner stay text;
//  - a span waits until its end is there, for kSpanBytesMax at most; all else is shown at once;
//  - tables and links are left as they are, lines are never wrapped, code is framed above and below
//    only, so that it can be copied.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "cli/markdown_lines.h"
#include "cli/terminal_text.h"

namespace minim::cli {

class MarkdownStream {
 public:
  static constexpr size_t kSpanBytesMax = 600;

  // What to write to the terminal now. However the text is cut into pieces, what is written is the
  // same in all. Nothing of `piece` reaches the terminal as a control character.
  std::string feed(std::string_view piece);

  // The end of the text: what waited, and the closing frame of open code. Ready for another text.
  std::string finish();

  // Ends colours, so that something else can be written; the next feed() takes them up again.
  std::string pause();

 private:
  enum class Place { kLineStart, kCodeStart, kText, kRaw };

  void render(bool final);
  // Each handles what comes first in pending_, and tells whether there was enough to do so.
  bool begin_line(std::string_view line, bool complete);
  bool begin_code_line(std::string_view line, bool complete);
  bool continue_text(std::string_view line, bool complete);
  void continue_raw(std::string_view line);

  void begin_block(MarkdownLine kind, std::string_view line, size_t indent);
  void open_fence(std::string_view fence);
  void end_line();
  void render_span(std::string_view text, uint8_t style);
  void emit(std::string_view text, uint8_t style);
  void consume(size_t bytes) { pending_.erase(0, bytes); }

  TerminalText clean_;
  std::string pending_;
  std::string out_;
  Place place_ = Place::kLineStart;
  uint8_t shown_ = 0;       // the style that the terminal has now
  uint8_t line_style_ = 0;  // of a heading
  bool quoted_ = false;     // this line began with >
  char32_t previous_ = 0;   // before pending_ on its line; 0: nothing
  char fence_ = 0;          // ` or ~ within fenced code
  size_t fence_length_ = 0;
  bool line_begun_ = false;  // the terminal's cursor is not at the start of a line
};

}  // namespace minim::cli
