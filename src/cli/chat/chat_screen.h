// Where a chat writes: answers and what was asked for to standard output, remarks and errors to
// standard error, dim or not, each on lines of its own.
#pragma once

#include <string>
#include <string_view>

#include "cli/chat/answer_view.h"

namespace minim::cli {

struct ChatScreenOptions {
  bool plain = false;  // no colours and no Markdown
  bool quiet = false;  // no remarks
};

class ChatScreen {
 public:
  explicit ChatScreen(const ChatScreenOptions& options);

  // Whether a person types and reads here.
  bool interactive() const { return interactive_; }
  bool styled() const { return answer_style_ == AnswerStyle::kStyled; }
  AnswerStyle answer_style() const { return answer_style_; }

  // A part of an answer, at once. It is terminal-safe already, see AnswerView.
  void write(std::string_view text);
  // Ends the line of write() where it has none yet.
  void end_line();
  // Lines that were asked for.
  void print(std::string_view text);
  // One dim line; not shown with `quiet`. Control characters are taken out.
  void remark(std::string_view text);
  void error(std::string_view text);
  // A line that changes in place while one waits, and goes with the next output; on terminals only.
  void status(std::string_view text);

  // "> ", with the gauge of a context that fills up.
  std::string prompt(double context_share, bool continued) const;

 private:
  void clear_status();

  bool interactive_;
  bool quiet_;
  AnswerStyle answer_style_;
  bool dim_remarks_;
  bool line_begun_ = false;
  bool status_shown_ = false;
};

// While one exists, what is typed does not show: an answer is being written.
class EchoOff {
 public:
  explicit EchoOff(bool wanted);
  ~EchoOff();
  EchoOff(const EchoOff&) = delete;
  EchoOff& operator=(const EchoOff&) = delete;

 private:
  bool active_ = false;
};

}  // namespace minim::cli
