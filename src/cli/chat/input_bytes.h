// The bytes of standard input, waited for together with signals.
#pragma once

#include <string>
#include <string_view>

#include "cli/chat/chat_signals.h"

namespace minim::cli {

enum class InputEvent {
  kByte,
  kEnd,        // no more input
  kInterrupt,  // Ctrl-C; what was typed ahead is gone
  kEnding,     // asked to leave
  kRedraw,
};

class InputBytes {
 public:
  // Both must outlive this.
  InputBytes(int descriptor, ChatSignals& signals) : descriptor_(descriptor), signals_(signals) {}

  InputEvent next(char& byte);
  // Makes these bytes the next ones.
  void put_back(std::string_view bytes) { waiting_.insert(0, bytes); }

 private:
  int descriptor_;
  ChatSignals& signals_;
  std::string waiting_;
};

struct InputLine {
  InputEvent outcome = InputEvent::kByte;  // kByte: there is a line
  std::string text;                        // without its newline
};
// A line of input that is no terminal.
InputLine read_plain_line(InputBytes& input);

}  // namespace minim::cli
