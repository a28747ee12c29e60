#include "base/sensors.h"

namespace minim {

Sensors read_sensors(const Path& root) {
  Sensors sensors;
  sensors.temperatures = read_temperatures(root, sensors.problems);
  sensors.supply = read_power_supply(root, sensors.problems);
  sensors.load = read_processor_load(root);
  return sensors;
}

}  // namespace minim
