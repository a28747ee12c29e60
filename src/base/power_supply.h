// Batteries and chargers, as Linux tells them (Documentation/ABI/testing/sysfs-class-power).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/sysfs.h"

namespace minim {

struct Battery {
  std::string name;  // "BAT0"
  double percent = 0;
  bool discharging = false;
  std::optional<double> watts;  // that it gives while discharging, or takes
};

struct PowerSupply {
  std::vector<Battery> batteries;  // of the machine; those of mice and the like are left out
  std::optional<bool> mains;       // whether a charger is plugged in; nothing where none says

  // Whether the machine lives from its batteries now.
  bool on_battery() const;
  // Of all batteries together; 0 where there is none.
  double percent() const;
  // That the batteries give together; nothing where one of those that discharge does not say.
  std::optional<double> watts() const;
};

// Values that no battery has are problems, and the battery is left out. `root`: where /sys is.
PowerSupply read_power_supply(const Path& root, std::vector<SensorProblem>& problems);

}  // namespace minim
