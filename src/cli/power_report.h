// What `minim doctor` tells about heat, power and load, and what a governor would make of it.
#pragma once

#include <string>
#include <vector>

#include "base/energy_meter.h"
#include "base/json.h"
#include "base/sensors.h"
#include "cli/engine.h"
#include "runtime/governor.h"

namespace minim::cli {

struct PowerReport {
  Sensors sensors;
  EnergySource energy_source = EnergySource::kEstimate;
  std::string energy_reason;  // why nothing is measured
  int threads = 1;            // that there are
  GovernorPace pace;          // that a governor would set now
  GovernorReason reason = GovernorReason::kNone;
  std::string change;  // in the governor's words; empty where it changes nothing

  // Sensors that are not believed, and the like.
  std::vector<std::string> warnings;
};

// `root`: where /proc and /sys are. Throws kInvalidArgument for options that make no sense.
PowerReport examine_power(const Engine& engine, const GovernorOptions& options, const Path& root);

void print_power(const PowerReport& report);
OrderedJson power_json(const PowerReport& report);

}  // namespace minim::cli
