#include "cli/chat/chat_screen.h"

#include <fmt/core.h>
#include <termios.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "cli/terminal.h"

namespace minim::cli {
namespace {

constexpr double kGaugeShare = 0.75;  // from there on the prompt shows how full the context is

// no-color.org; a dumb terminal knows no escape sequences.
bool colours_wanted() {
  const char* none = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  return (none == nullptr || *none == '\0') && terminal != nullptr && *terminal != '\0' &&
         std::string_view(terminal) != "dumb";
}

}  // namespace

ChatScreen::ChatScreen(const ChatScreenOptions& options)
    : interactive_(::isatty(STDIN_FILENO) == 1 && stdout_is_terminal()),
      quiet_(options.quiet),
      answer_style_(!stdout_is_terminal()                ? AnswerStyle::kAsIs
                    : options.plain || !colours_wanted() ? AnswerStyle::kPlain
                                                         : AnswerStyle::kStyled),
      dim_remarks_(stderr_is_terminal() && !options.plain && colours_wanted()) {}

void ChatScreen::write(std::string_view text) {
  if (text.empty()) return;
  clear_status();
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
  line_begun_ = text.back() != '\n';
}

void ChatScreen::end_line() {
  if (line_begun_) write("\n");
}

void ChatScreen::print(std::string_view text) {
  end_line();
  // What comes from a conversation or a file is safe where a terminal shows it.
  write(answer_style_ == AnswerStyle::kAsIs ? std::string(text) : terminal_text(text));
  end_line();
}

void ChatScreen::remark(std::string_view text) {
  if (quiet_) return;
  end_line();
  clear_status();
  fmt::print(stderr, "{}[{}]{}\n", dim_remarks_ ? "\x1b[2m" : "", terminal_text(text),
             dim_remarks_ ? "\x1b[0m" : "");
}

void ChatScreen::error(std::string_view text) {
  end_line();
  clear_status();
  fmt::print(stderr, "minim: {}\n", terminal_text(text));
}

void ChatScreen::status(std::string_view text) {
  if (quiet_ || !stderr_is_terminal() || line_begun_) return;
  fmt::print(stderr, "\r\x1b[K{}", text);
  std::fflush(stderr);
  status_shown_ = true;
}

void ChatScreen::clear_status() {
  if (status_shown_) fmt::print(stderr, "\r\x1b[K");
  status_shown_ = false;
}

std::string ChatScreen::prompt(double context_share, bool continued) const {
  std::string mark = continued ? "..." : ">";
  if (!continued && context_share > kGaugeShare) {
    mark = fmt::format("[{:.0f} %] >", context_share * 100);
  }
  // \1 stands around what takes no room: see LineEditor.
  if (styled()) mark = "\1\x1b[1m\1" + mark + "\1\x1b[0m\1";
  return mark + " ";
}

EchoOff::EchoOff(bool wanted) {
  termios settings = {};
  if (!wanted || ::tcgetattr(STDIN_FILENO, &settings) != 0) return;
  settings.c_lflag &= ~static_cast<tcflag_t>(ECHO);
  active_ = ::tcsetattr(STDIN_FILENO, TCSADRAIN, &settings) == 0;
}

EchoOff::~EchoOff() {
  termios settings = {};
  if (!active_ || ::tcgetattr(STDIN_FILENO, &settings) != 0) return;
  settings.c_lflag |= ECHO;
  ::tcsetattr(STDIN_FILENO, TCSADRAIN, &settings);
}

}  // namespace minim::cli
