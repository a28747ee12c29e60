#include "cli/chat/input_bytes.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>

namespace minim::cli {

InputEvent InputBytes::next(char& byte) {
  for (;;) {
    signals_.drain();
    if (signals_.ending()) return InputEvent::kEnding;
    if (signals_.take_interrupt()) {
      waiting_.clear();
      return InputEvent::kInterrupt;
    }
    if (signals_.take_redraw()) return InputEvent::kRedraw;
    if (!waiting_.empty()) {
      byte = waiting_.front();
      waiting_.erase(0, 1);
      return InputEvent::kByte;
    }
    pollfd wanted[] = {{descriptor_, POLLIN, 0}, {signals_.descriptor(), POLLIN, 0}};
    if (::poll(wanted, 2, -1) < 0 || wanted[0].revents == 0) continue;
    char bytes[4096];
    const ssize_t count = ::read(descriptor_, bytes, sizeof(bytes));
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    // A terminal that is gone reads as an error.
    if (count <= 0) return InputEvent::kEnd;
    waiting_.assign(bytes, static_cast<size_t>(count));
  }
}

InputLine read_plain_line(InputBytes& input) {
  InputLine line;
  for (;;) {
    char byte = 0;
    const InputEvent event = input.next(byte);
    if (event == InputEvent::kRedraw) continue;
    if (event == InputEvent::kEnd && !line.text.empty()) return line;
    if (event != InputEvent::kByte) return {event, {}};
    if (byte == '\n') {
      if (line.text.ends_with('\r')) line.text.pop_back();
      return line;
    }
    line.text += byte;
  }
}

}  // namespace minim::cli
