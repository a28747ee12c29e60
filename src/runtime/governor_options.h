// The policy of a governor, as a struct and as a table: flags, their help, and their bounds.
#pragma once

#include <span>
#include <variant>

namespace minim {

struct GovernorOptions {
  double temperature_max = 80;       // C; hotter than this: fewer threads
  double temperature_resume = 72;    // C; cooler than this: more of them again
  double temperature_critical = 95;  // C; hotter than this: as slow as it gets, at once
  double battery_saver = 30;  // % of charge; below, without a charger: half the threads; 0: never
  double share_left = 0;      // share of the processors to leave to others
  double pressure_max = 60;  // % of the time that others wait for processors: fewer threads; 0: off
  double watts_max = 0;      // where power is measured: more than this means fewer; 0: no cap
  double tokens_per_second_max = 0;  // no more steps than this; 0: no cap
  bool quiet = false;                // half the threads, and 15 C less: for fans
  double look_seconds = 1;           // between two looks at the sensors
  double dwell_down_seconds = 2;     // at least between two steps down
  double dwell_up_seconds = 10;      // and before a step up
};

using GovernorOptionField = std::variant<double GovernorOptions::*, bool GovernorOptions::*>;

struct GovernorOptionRow {
  const char* name;  // "temperature-max": also the flag, --temperature-max
  GovernorOptionField field;
  const char* help;
  // Of numbers.
  double min = 0;
  double max = 0;
};

// All options, in the order of --help.
std::span<const GovernorOptionRow> governor_option_rows();

// Throws kInvalidArgument, naming the option, for numbers out of bounds (NaN included), and for
// temperatures that are not in order.
void check_governor_options(const GovernorOptions& options);

}  // namespace minim
