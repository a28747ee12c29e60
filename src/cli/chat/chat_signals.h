// Ctrl-C, a request to end, and a changed window, while a chat lasts.
#pragma once

namespace minim::cli {

// While one exists, SIGINT, SIGTERM, SIGHUP, SIGWINCH and SIGCONT set flags and make descriptor()
// readable, so that a wait for input ends. One at a time.
class ChatSignals {
 public:
  ChatSignals();
  ~ChatSignals();
  ChatSignals(const ChatSignals&) = delete;
  ChatSignals& operator=(const ChatSignals&) = delete;

  // Readable once something came; poll() it together with the input.
  int descriptor() const;
  // Empties the descriptor; to be called before the flags are looked at.
  void drain();

  // Whether Ctrl-C came since the last call of this.
  bool take_interrupt();
  // The window has another size, or the program goes on after it was stopped.
  bool take_redraw();
  // SIGTERM or SIGHUP came: it is time to leave.
  bool ending() const;
};

}  // namespace minim::cli
