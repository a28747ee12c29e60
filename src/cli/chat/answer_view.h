// What a model says, as it is written to standard output: reasoning dim, Markdown rendered, nothing
// that could control the terminal.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/markdown_stream.h"
#include "cli/terminal_text.h"
#include "text/reasoning_split.h"

namespace minim::cli {

enum class AnswerStyle {
  kAsIs,   // every byte: for files and programs
  kPlain,  // for terminals without colours; no control characters
  kStyled,
};

class AnswerView {
 public:
  // `reasoning_begun`: the prompt ended with <think>.
  AnswerView(AnswerStyle style, bool reasoning_begun) : style_(style), split_(reasoning_begun) {}

  // What to write now; however the text is cut, what is written is the same in all.
  std::string feed(std::string_view text);
  std::string finish();
  // Ends colours before something else is written.
  std::string pause();

 private:
  std::string render(const std::vector<ReasoningSplit::Part>& parts);
  std::string end_reasoning();

  AnswerStyle style_;
  ReasoningSplit split_;
  TerminalText safe_;  // of reasoning, and of plain text
  MarkdownStream markdown_;
  bool dim_ = false;        // the terminal is
  bool reasoning_ = false;  // the last part was
};

}  // namespace minim::cli
