#include "cli/chat/chat_signals.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "base/error.h"

namespace minim::cli {
namespace {

// Signal handlers can reach nothing else.
volatile std::sig_atomic_t g_interrupted = 0;
volatile std::sig_atomic_t g_redraw = 0;
volatile std::sig_atomic_t g_ending = 0;
int g_pipe[2] = {-1, -1};

constexpr int kSignals[] = {SIGINT, SIGTERM, SIGHUP, SIGWINCH, SIGCONT};

void handle_signal(int signal) {
  const int saved = errno;
  if (signal == SIGINT) {
    g_interrupted = 1;
  } else if (signal == SIGWINCH || signal == SIGCONT) {
    g_redraw = 1;
  } else {
    if (g_ending) _exit(128 + signal);  // asked for twice: whatever hangs, it ends
    g_ending = 1;
  }
  // A full pipe is readable already.
  [[maybe_unused]] const ssize_t written = ::write(g_pipe[1], "", 1);
  errno = saved;
}

bool take(volatile std::sig_atomic_t& flag) {
  const bool was_set = flag != 0;
  flag = 0;
  return was_set;
}

}  // namespace

ChatSignals::ChatSignals() {
  if (::pipe2(g_pipe, O_CLOEXEC | O_NONBLOCK) != 0) {
    throw Error(ErrorCode::kIo, "chat: the system has no pipe left for this program");
  }
  g_interrupted = 0;
  g_redraw = 0;
  g_ending = 0;
  struct sigaction action = {};
  action.sa_handler = handle_signal;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  for (const int signal : kSignals) ::sigaction(signal, &action, nullptr);
}

ChatSignals::~ChatSignals() {
  for (const int signal : kSignals) std::signal(signal, SIG_DFL);
  for (int& end : g_pipe) {
    ::close(end);
    end = -1;
  }
}

int ChatSignals::descriptor() const { return g_pipe[0]; }

void ChatSignals::drain() {
  char bytes[64];
  while (::read(g_pipe[0], bytes, sizeof(bytes)) > 0) {
  }
}

bool ChatSignals::take_interrupt() { return take(g_interrupted); }
bool ChatSignals::take_redraw() { return take(g_redraw); }
bool ChatSignals::ending() const { return g_ending != 0; }

}  // namespace minim::cli
