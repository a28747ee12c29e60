#include "cli/terminal.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>

namespace minim::cli {
namespace {

constexpr int kBarCells = 24;

volatile std::sig_atomic_t g_signal_count = 0;  // signal handlers can reach nothing else

void handle_signal(int) {
  if (g_signal_count > 0) std::_Exit(130);
  g_signal_count = 1;
}

std::string scaled(double value, const char* const* units, int unit_count) {
  int unit = 0;
  while (value >= 999.5 && unit + 1 < unit_count) {
    value /= 1000;
    ++unit;
  }
  const int decimals = unit == 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return fmt::format("{:.{}f}{}", value, decimals, units[unit]);
}

}  // namespace

bool stderr_is_terminal() { return ::isatty(STDERR_FILENO) == 1; }
bool stdout_is_terminal() { return ::isatty(STDOUT_FILENO) == 1; }

std::string format_bytes(double bytes) {
  static const char* const kUnits[] = {" B", " kB", " MB", " GB", " TB"};
  return scaled(bytes, kUnits, 5);
}

std::string format_count(double count) {
  static const char* const kUnits[] = {"", "k", "M", "B", "T"};
  return scaled(count, kUnits, 5);
}

std::string format_duration(double seconds) {
  if (seconds < 60) return fmt::format("{:.1f} s", seconds);
  const auto whole = static_cast<long>(seconds + 0.5);
  if (whole < 3600) return fmt::format("{} min {} s", whole / 60, whole % 60);
  return fmt::format("{} h {} min", whole / 3600, whole % 3600 / 60);
}

LogSink stderr_log(bool verbose) {
  return [verbose](LogLevel level, std::string_view message) {
    if (level == LogLevel::kDebug && !verbose) return;
    const char* prefix = level == LogLevel::kWarning ? "warning: "
                         : level == LogLevel::kError ? "error: "
                                                     : "";
    fmt::print(stderr, "minim: {}{}\n", prefix, message);
  };
}

std::string progress_bar(double share) {
  const int cells = std::clamp(static_cast<int>(share * kBarCells), 0, kBarCells);
  return fmt::format("[{:#<{}}{:.<{}}]", "", cells, "", kBarCells - cells);
}

InterruptGuard::InterruptGuard() {
  g_signal_count = 0;
  std::signal(SIGINT, handle_signal);
  std::signal(SIGTERM, handle_signal);
}

InterruptGuard::~InterruptGuard() {
  std::signal(SIGINT, SIG_DFL);
  std::signal(SIGTERM, SIG_DFL);
}

bool InterruptGuard::interrupted() { return g_signal_count > 0; }

ProgressDisplay::ProgressDisplay(bool quiet) : quiet_(quiet) {}

ProgressDisplay::~ProgressDisplay() { clear_line(); }

ProgressSink ProgressDisplay::sink() {
  return [this](const Progress& progress) { return update(progress); };
}

bool ProgressDisplay::update(const Progress& progress) {
  const auto now = Clock::now();
  if (stage_ != progress.stage) {
    stage_ = progress.stage;
    stage_start_ = now;
    last_draw_ = now;
  }
  const double pause = std::chrono::duration<double>(now - last_draw_).count();
  const double wanted = !stderr_is_terminal() ? 10.0 : drawn_ ? 0.1 : 1.0;
  if (!quiet_ && pause >= wanted) {
    draw(progress, std::chrono::duration<double>(now - stage_start_).count());
    last_draw_ = now;
  }
  return !InterruptGuard::interrupted();
}

void ProgressDisplay::draw(const Progress& progress, double elapsed) {
  const double rate = elapsed > 0 ? static_cast<double>(progress.done) / elapsed : 0;
  const bool in_bytes = progress.unit == "bytes";
  std::string line = fmt::format("{}: ", progress.stage);
  if (progress.total > 0) {
    const double share = static_cast<double>(progress.done) / static_cast<double>(progress.total);
    if (stderr_is_terminal()) line += progress_bar(share) + " ";
    line += fmt::format("{:3.0f} %, ", share * 100);
  }
  line += in_bytes ? format_bytes(rate) + "/s"
                   : fmt::format("{} {}/s", format_count(rate), progress.unit);
  if (progress.total > progress.done && rate > 0) {
    const double left = static_cast<double>(progress.total - progress.done) / rate;
    line += ", " + format_duration(left) + " left";
  }
  if (stderr_is_terminal()) {
    fmt::print(stderr, "\r\033[K{}", line);
    drawn_ = true;
  } else {
    fmt::print(stderr, "{}\n", line);
  }
  std::fflush(stderr);
}

void ProgressDisplay::clear_line() {
  if (drawn_) fmt::print(stderr, "\r\033[K");
  drawn_ = false;
}

}  // namespace minim::cli
