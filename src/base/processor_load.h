// How much of this machine's processors there is to have: limits that the system sets, and how many
// others want them.
#pragma once

#include <optional>

#include "base/file.h"

namespace minim {

struct ProcessorLoad {
  std::optional<double> quota;             // processors that the cgroup may use
  std::optional<double> frequency_hz;      // the most that the system allows now
  std::optional<double> frequency_hz_max;  // the most that the processor can
  std::optional<double> average;           // tasks that ran or wanted to, over a minute
  std::optional<double> pressure_percent;  // of the last 10 s, when somebody had to wait
};

// What cannot be read, or makes no sense, is left out. `root`: where /proc and /sys are.
ProcessorLoad read_processor_load(const Path& root);

}  // namespace minim
