#include "bench/serve/server_process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <thread>

#include "base/error.h"
#include "serve/testing/http_client.h"

extern char** environ;

namespace minim::bench {
namespace {

using Clock = std::chrono::steady_clock;

double milliseconds_since(Clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

pid_t spawn(const std::vector<std::string>& arguments, const Path& log) {
  std::vector<char*> pointers;
  for (const std::string& argument : arguments) {
    pointers.push_back(const_cast<char*>(argument.c_str()));
  }
  pointers.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_addopen(&actions, 1, log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  ::posix_spawn_file_actions_adddup2(&actions, 1, 2);
  pid_t child = -1;
  const int failed =
      ::posix_spawnp(&child, pointers[0], &actions, nullptr, pointers.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) {
    throw Error(ErrorCode::kIo, fmt::format("bench: '{}' cannot be started", arguments[0]));
  }
  return child;
}

std::string last_lines(const Path& log) {
  std::ifstream file(log);
  std::string text, before;
  for (std::string line; std::getline(file, line);) {
    if (line.empty()) continue;
    before = std::exchange(text, line);
  }
  return before + "; " + text;
}

}  // namespace

uint16_t free_port() {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  const bool found = ::bind(socket, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                     ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  ::close(socket);
  if (!found) throw Error(ErrorCode::kIo, "bench: there is no free port");
  return ntohs(address.sin_port);
}

ServerProcess::ServerProcess(const std::vector<std::string>& arguments, uint16_t port,
                             const Path& log, double seconds_max)
    : port_(port) {
  const auto begin = Clock::now();
  child_ = spawn(arguments, log);
  for (;;) {
    serve::testing::HttpClient client(port);
    if (client.connected() && client.get("/health").status == 200) break;
    const bool ended = has_ended();
    if (ended || milliseconds_since(begin) > seconds_max * 1e3) {
      if (!ended) ::kill(child_, SIGKILL);
      throw Error(ErrorCode::kIo,
                  fmt::format("bench: '{}' {}: {}", arguments[0],
                              ended ? "ended" : "did not get ready in time", last_lines(log)));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  ready_ms_ = milliseconds_since(begin);
}

bool ServerProcess::has_ended() { return ::waitpid(child_, nullptr, WNOHANG) == child_; }

ServerProcess::~ServerProcess() {
  ::kill(child_, SIGTERM);
  for (int i = 0; i < 500; ++i) {
    if (has_ended()) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  ::kill(child_, SIGKILL);
  ::waitpid(child_, nullptr, 0);
}

uint64_t ServerProcess::resident_bytes() const {
  std::ifstream file(fmt::format("/proc/{}/statm", child_));
  uint64_t size = 0, resident = 0;
  file >> size >> resident;
  return resident * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace minim::bench
