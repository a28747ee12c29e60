// A server that runs while it is asked: started, awaited, ended.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/file.h"

namespace minim::bench {

// A port of this machine that nobody has now.
uint16_t free_port();

class ServerProcess {
 public:
  // Starts arguments[0] and returns when GET /health answers 200. What it prints goes to `log`.
  // Throws kIo, with the end of the log, where it ends before or takes longer than `seconds_max`.
  ServerProcess(const std::vector<std::string>& arguments, uint16_t port, const Path& log,
                double seconds_max);
  // SIGTERM, and SIGKILL where it does not end within some seconds.
  ~ServerProcess();
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  uint16_t port() const { return port_; }
  double ready_ms() const { return ready_ms_; }  // from its start on
  uint64_t resident_bytes() const;               // now; files that are mapped count

 private:
  bool has_ended();

  pid_t child_ = -1;
  uint16_t port_;
  double ready_ms_ = 0;
};

}  // namespace minim::bench
