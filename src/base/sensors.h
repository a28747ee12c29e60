// Everything that a machine says about its heat, power and load, read at once.
#pragma once

#include <vector>

#include "base/file.h"
#include "base/power_supply.h"
#include "base/processor_load.h"
#include "base/sysfs.h"
#include "base/temperature.h"

namespace minim {

struct Sensors {
  std::vector<TemperatureSensor> temperatures;
  PowerSupply supply;
  ProcessorLoad load;
  std::vector<SensorProblem> problems;  // sensors that are there and not to be believed
};

// Never throws for what the system says. `root`: where /proc and /sys are.
Sensors read_sensors(const Path& root = "/");

}  // namespace minim
