#include "runtime/governor_options.h"

#include <fmt/core.h>

#include "base/error.h"

namespace minim {
namespace {

using Options = GovernorOptions;

const GovernorOptionRow kRows[] = {
    {"temperature-max", &Options::temperature_max, "Hotter than this (C): fewer threads", 1, 150},
    {"temperature-resume", &Options::temperature_resume, "Cooler than this (C): more again", 0,
     149},
    {"temperature-critical", &Options::temperature_critical,
     "Hotter than this (C): as slow as it gets, at once", 1, 150},
    {"battery-saver", &Options::battery_saver,
     "Without a charger, below this charge (%): half the threads; 0: never", 0, 100},
    {"share-left", &Options::share_left, "Share of the processors to leave to others", 0, 0.95},
    {"pressure-max", &Options::pressure_max,
     "Where tasks wait for processors more than this (% of the time): fewer threads; 0: off", 0,
     100},
    {"watts-max", &Options::watts_max, "Where power is measured: no more than this (W); 0: no cap",
     0, 10000},
    {"rate-max", &Options::tokens_per_second_max, "No more steps a second than this; 0: no cap", 0,
     1e6},
    {"quiet-mode", &Options::quiet, "Half the threads, and 15 C less: keeps fans down"},
    {"look-seconds", &Options::look_seconds, "Time between two looks at the sensors", 0.05, 3600},
    {"dwell-down", &Options::dwell_down_seconds, "Least time (s) between two steps down", 0, 3600},
    {"dwell-up", &Options::dwell_up_seconds, "Least time (s) before a step up", 0, 3600},
};

[[noreturn]] void refuse(const std::string& what) {
  throw Error(ErrorCode::kInvalidArgument, "governor: " + what);
}

}  // namespace

std::span<const GovernorOptionRow> governor_option_rows() { return kRows; }

void check_governor_options(const GovernorOptions& options) {
  for (const GovernorOptionRow& row : kRows) {
    const auto* field = std::get_if<double Options::*>(&row.field);
    if (field == nullptr) continue;
    const double value = options.**field;
    if (value >= row.min && value <= row.max) continue;  // NaN is in no bounds
    refuse(
        fmt::format("{} is {}, but must be between {} and {}", row.name, value, row.min, row.max));
  }
  if (options.temperature_resume >= options.temperature_max) {
    refuse(fmt::format("temperature-resume is {} C, but must be below temperature-max, {} C",
                       options.temperature_resume, options.temperature_max));
  }
  if (options.temperature_critical <= options.temperature_max) {
    refuse(fmt::format("temperature-critical is {} C, but must be above temperature-max, {} C",
                       options.temperature_critical, options.temperature_max));
  }
}

}  // namespace minim
