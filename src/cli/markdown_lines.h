// What a line of Markdown is, told from its beginning. See markdown_stream.h.
#pragma once

#include <string_view>

namespace minim::cli {

enum class MarkdownLine {
  kUndecided,  // it takes more of the line to tell
  kText,       // also a blank line
  kFence,      // ``` or ~~~ and a language
  kHeading,
  kRule,  // ---, ***, ___, also with spaces between
  kBullet,
  kQuote,
  kTable,  // a row of it
};

// `text`: a line after its indentation, without its newline. `quoted`: after > on the same line;
// `complete`: the line ends there. What is told of an incomplete line stays true of every line that
// begins so.
MarkdownLine markdown_line(std::string_view text, bool quoted, bool complete);

}  // namespace minim::cli
