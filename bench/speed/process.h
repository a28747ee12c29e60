// Child processes: what they print, how long they take, how much memory they need.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace minim::bench {

struct ProcessOptions {
  double seconds_max = 900;   // killed after that
  bool watch_memory = false;  // fills resident_bytes_max
  std::string folder;         // that it runs in; empty: this process's own
};

struct ProcessResult {
  int exit_code = 0;  // 128 + the signal's number where one ended it
  bool timed_out = false;
  std::string output;
  std::string errors;
  double seconds = 0;               // from before the start until after the end
  uint64_t resident_bytes_max = 0;  // 0: not watched, or the system does not tell
};

// Runs arguments[0], looked up in PATH where it is a plain name, with nothing on its standard
// input. No shell sees the arguments. Throws kIo where the program cannot be started.
ProcessResult run_process(const std::vector<std::string>& arguments,
                          const ProcessOptions& options = {});

// Why the process did not succeed, in one line; empty where it did.
std::string failure_of(const ProcessResult& result);

}  // namespace minim::bench
