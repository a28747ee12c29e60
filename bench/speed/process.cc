#include "bench/speed/process.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <fstream>
#include <sstream>

#include "base/error.h"

namespace minim::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kOutputBytesMax = size_t{16} << 20;  // the rest is read and dropped
constexpr int kMemoryPollMs = 5;

class Pipe {
 public:
  Pipe() {
    if (::pipe2(ends_.data(), O_CLOEXEC) != 0) {
      throw Error(ErrorCode::kIo, fmt::format("bench: no pipe: {}", strerror(errno)));
    }
  }
  ~Pipe() {
    close_end(0);
    close_end(1);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  int read_end() const { return ends_[0]; }
  int write_end() const { return ends_[1]; }
  void close_end(size_t end) {
    if (ends_[end] >= 0) ::close(ends_[end]);
    ends_[end] = -1;
  }

 private:
  std::array<int, 2> ends_ = {-1, -1};
};

pid_t spawn(const std::vector<std::string>& arguments, const std::string& folder,
            const Pipe& output, const Pipe& errors) {
  std::vector<char*> pointers;
  for (const std::string& argument : arguments) {
    pointers.push_back(const_cast<char*>(argument.c_str()));
  }
  pointers.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, output.write_end(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, errors.write_end(), STDERR_FILENO);
  if (!folder.empty()) posix_spawn_file_actions_addchdir_np(&actions, folder.c_str());
  pid_t child = -1;
  const int failure =
      ::posix_spawnp(&child, pointers[0], &actions, nullptr, pointers.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failure != 0) {
    throw Error(ErrorCode::kIo,
                fmt::format("bench: '{}' cannot be started: {}", arguments[0], strerror(failure)));
  }
  return child;
}

// The high-water mark of the program that runs now. What wait4() tells would start at this
// process's own memory, which a spawned child shares until it becomes the other program.
uint64_t resident_bytes_max(pid_t child) {
  std::ifstream status(fmt::format("/proc/{}/status", child));
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("VmHWM:", 0) == 0) return std::stoull(line.substr(6)) * 1024;
  }
  return 0;
}

// Appends what there is to read; false at the end.
bool drain(int descriptor, std::string& text) {
  std::array<char, 65536> buffer;
  const ssize_t count = ::read(descriptor, buffer.data(), buffer.size());
  if (count < 0) return errno == EINTR || errno == EAGAIN;
  const size_t room = kOutputBytesMax - std::min(kOutputBytesMax, text.size());
  text.append(buffer.data(), std::min(room, static_cast<size_t>(count)));
  return count > 0;
}

// Reads both pipes until the child has closed them.
void follow(pid_t child, const ProcessOptions& options, Pipe& output, Pipe& errors,
            ProcessResult& result) {
  const auto deadline = Clock::now() + std::chrono::duration<double>(options.seconds_max);
  std::array<pollfd, 2> open = {pollfd{output.read_end(), POLLIN, 0},
                                pollfd{errors.read_end(), POLLIN, 0}};
  const std::array<std::string*, 2> texts = {&result.output, &result.errors};
  while (open[0].fd >= 0 || open[1].fd >= 0) {
    if (Clock::now() > deadline && !result.timed_out) {
      result.timed_out = true;
      ::kill(child, SIGKILL);
    }
    ::poll(open.data(), open.size(), options.watch_memory ? kMemoryPollMs : 200);
    for (size_t i = 0; i < open.size(); ++i) {
      if (open[i].fd >= 0 && open[i].revents != 0 && !drain(open[i].fd, *texts[i])) {
        open[i].fd = -1;
      }
    }
    if (options.watch_memory) {
      result.resident_bytes_max = std::max(result.resident_bytes_max, resident_bytes_max(child));
    }
  }
}

}  // namespace

ProcessResult run_process(const std::vector<std::string>& arguments,
                          const ProcessOptions& options) {
  MINIM_CHECK(!arguments.empty());
  Pipe output;
  Pipe errors;
  ProcessResult result;
  const auto start = Clock::now();
  const pid_t child = spawn(arguments, options.folder, output, errors);
  output.close_end(1);
  errors.close_end(1);
  follow(child, options, output, errors, result);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  result.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

std::string failure_of(const ProcessResult& result) {
  if (result.timed_out) return "took too long and was stopped";
  if (result.exit_code == 0) return "";
  // The first line that speaks of an error, or else the last one.
  std::istringstream lines(result.errors.empty() ? result.output : result.errors);
  std::string found;
  for (std::string line; std::getline(lines, line);) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    found = line;
    if (line.find("error") != std::string::npos || line.find("minim:") == 0) break;
  }
  constexpr size_t kLengthMax = 200;
  if (found.size() > kLengthMax) found = found.substr(0, kLengthMax) + "...";
  return fmt::format("exit code {}{}{}", result.exit_code, found.empty() ? "" : ": ", found);
}

}  // namespace minim::bench
