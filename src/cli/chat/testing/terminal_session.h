// The program at a pseudo-terminal: keys in, what a person would see out.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "cli/program.h"

namespace minim::cli::testing {

class TerminalSession {
 public:
  // Starts `minim ARGUMENTS...` in `folder`, which is also its home.
  TerminalSession(const std::vector<std::string>& arguments, const Path& folder);
  // Kills the program if it still runs.
  ~TerminalSession();
  TerminalSession(const TerminalSession&) = delete;
  TerminalSession& operator=(const TerminalSession&) = delete;

  void type(std::string_view keys);
  // Whether `text` is shown, after what the last call found, before half a minute has passed.
  bool shows(std::string_view text);
  // What was shown since what shows() found last.
  const std::string& unseen() const { return unseen_; }
  void signal(int number);
  // The exit code once the program has ended; -1 where it does not end or was killed.
  int exit_code();

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::seconds kPatience{30};

  bool read_some(int milliseconds);

  pid_t process_ = -1;
  int terminal_ = -1;
  std::string unseen_;
};

[[noreturn]] inline void run_child(const std::vector<std::string>& arguments, const Path& folder) {
  ::setenv("TERM", "xterm", 1);
  ::setenv("LC_ALL", "C.UTF-8", 1);
  ::setenv("HOME", folder.c_str(), 1);
  for (const char* name : {"NO_COLOR", "XDG_STATE_HOME", "EDITRC"}) ::unsetenv(name);
  if (::chdir(folder.c_str()) != 0) ::_exit(99);
  std::vector<const char*> words = {"minim"};
  for (const std::string& argument : arguments) words.push_back(argument.c_str());
  const int code = run_program(static_cast<int>(words.size()), words.data());
  std::fflush(nullptr);
  ::_exit(code);
}

inline TerminalSession::TerminalSession(const std::vector<std::string>& arguments,
                                        const Path& folder) {
  winsize size = {};
  size.ws_row = 24;
  size.ws_col = 100;
  process_ = ::forkpty(&terminal_, nullptr, nullptr, &size);
  if (process_ == 0) run_child(arguments, folder);
  EXPECT_GT(process_, 0);
}

inline TerminalSession::~TerminalSession() {
  if (process_ > 0) {
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
  }
  ::close(terminal_);
}

inline void TerminalSession::type(std::string_view keys) {
  EXPECT_EQ(::write(terminal_, keys.data(), keys.size()), static_cast<ssize_t>(keys.size()));
}

// Whether the terminal is still there.
inline bool TerminalSession::read_some(int milliseconds) {
  pollfd wanted = {terminal_, POLLIN, 0};
  if (::poll(&wanted, 1, milliseconds) <= 0) return true;
  char bytes[4096];
  const ssize_t count = ::read(terminal_, bytes, sizeof(bytes));
  if (count > 0) unseen_.append(bytes, static_cast<size_t>(count));
  return count > 0;
}

inline bool TerminalSession::shows(std::string_view text) {
  const auto end = Clock::now() + kPatience;
  bool open = true;
  while (Clock::now() < end) {
    if (const size_t at = unseen_.find(text); at != std::string::npos) {
      unseen_.erase(0, at + text.size());
      return true;
    }
    if (!open) return false;
    open = read_some(100);
  }
  return false;
}

inline void TerminalSession::signal(int number) { ::kill(process_, number); }

inline int TerminalSession::exit_code() {
  const auto end = Clock::now() + kPatience;
  int status = 0;
  while (Clock::now() < end) {
    // A program that waits for its terminal to take its last words does not end.
    read_some(10);
    if (::waitpid(process_, &status, WNOHANG) != process_) continue;
    process_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  return -1;
}

}  // namespace minim::cli::testing
