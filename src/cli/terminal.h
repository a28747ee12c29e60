// How the command line talks to a person: progress on a terminal or in a log, Ctrl-C, sizes and
// durations in words. Everything here goes to standard error; results go to standard output.
#pragma once

#include <atomic>
#include <chrono>
#include <string>
#include <string_view>

#include "base/log.h"
#include "base/progress.h"

namespace minim::cli {

bool stderr_is_terminal();
bool stdout_is_terminal();

// "1.21 GB", "640 kB"; decimal, as disks and downloads are counted.
std::string format_bytes(double bytes);
// "1.2B", "260k"
std::string format_count(double count);
// "4.2 s", "3 min 20 s", "1 h 5 min"
std::string format_duration(double seconds);

// "[######......]": how much of the work, from 0 to 1, is done.
std::string progress_bar(double share);

// Log lines of the library: "minim: warning: ...".
LogSink stderr_log(bool verbose);

// While one exists, SIGINT and SIGTERM set a flag instead of ending the program; a second signal
// ends it at once.
class InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;
  static bool interrupted();
};

// Draws a bar with rate and time left on a terminal, or writes a plain line every ten seconds.
// Nothing is shown for work that takes less than a second. Stops the work on Ctrl-C.
class ProgressDisplay {
 public:
  explicit ProgressDisplay(bool quiet);
  ~ProgressDisplay();
  ProgressDisplay(const ProgressDisplay&) = delete;
  ProgressDisplay& operator=(const ProgressDisplay&) = delete;
  ProgressSink sink();

 private:
  using Clock = std::chrono::steady_clock;
  bool update(const Progress& progress);
  void draw(const Progress& progress, double elapsed);
  void clear_line();

  bool quiet_;
  bool drawn_ = false;
  std::string stage_;
  Clock::time_point stage_start_;
  Clock::time_point last_draw_;
};

}  // namespace minim::cli
