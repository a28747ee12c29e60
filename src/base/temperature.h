// The temperatures of this machine's processor and case, as Linux tells them.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/sysfs.h"

namespace minim {

struct TemperatureSensor {
  std::string name;  // "zone 'cpu-thermal'", "sensor 'coretemp Package id 0'"
  double celsius = 0;
  std::optional<double> passive_celsius;  // where the system itself begins to slow down
};

// From the thermal zones (Documentation/driver-api/thermal/sysfs-api.rst), or where there is none
// that can be believed from hwmon. Sensors of parts that computing does not heat (radios, disks)
// are left out. A reading that no running machine can have (0 C and below, above 150 C, or far
// above the point at which the system would have switched itself off) is a problem, not a
// temperature. `root`: where /sys is, for tests and containers.
std::vector<TemperatureSensor> read_temperatures(const Path& root,
                                                 std::vector<SensorProblem>& problems);

// Null where there is none.
const TemperatureSensor* hottest(std::span<const TemperatureSensor> sensors);

}  // namespace minim
