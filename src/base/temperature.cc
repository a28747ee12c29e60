#include "base/temperature.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>

namespace minim {
namespace {

constexpr double kCelsiusMax = 150;           // silicon does not live above
constexpr double kAboveCriticalCelsius = 10;  // nor does a machine this far above its own limit

// In lower case, as part of a name.
constexpr std::array<std::string_view, 11> kForeign = {"wifi", "wlan",   "nvme",   "drivetemp",
                                                       "sata", "modem",  "mdm",    "ethernet",
                                                       "phy",  "radeon", "nouveau"};

bool is_foreign(std::string name) {
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return std::any_of(kForeign.begin(), kForeign.end(),
                     [&](std::string_view part) { return name.find(part) != std::string::npos; });
}

double celsius_of(int64_t millidegrees) { return static_cast<double>(millidegrees) / 1000; }

std::optional<double> plausible_celsius(const Path& path) {
  const SysfsNumber number = read_sysfs_number(path);
  if (!number.ok()) return std::nullopt;
  const double celsius = celsius_of(number.value);
  return celsius > 0 && celsius <= kCelsiusMax ? std::optional(celsius) : std::nullopt;
}

// The temperature in `path`, or a problem of the sensor called `name`.
std::optional<double> read_celsius(const Path& path, const std::string& name,
                                   std::optional<double> critical,
                                   std::vector<SensorProblem>& problems) {
  const SysfsNumber number = read_sysfs_number(path);
  if (!number.ok()) {
    problems.push_back({name, sysfs_status_text(number.status)});
    return std::nullopt;
  }
  const double celsius = celsius_of(number.value);
  if (celsius <= 0 || celsius > kCelsiusMax) {
    problems.push_back({name, fmt::format("reads {:.1f} C", celsius)});
    return std::nullopt;
  }
  if (critical && celsius > *critical + kAboveCriticalCelsius) {
    problems.push_back({name, fmt::format("reads {:.1f} C, where the system switches itself off "
                                          "at {:.1f} C",
                                          celsius, *critical)});
    return std::nullopt;
  }
  return celsius;
}

// The lowest trip point of one of two kinds.
std::optional<double> trip_point(const Path& zone, std::string_view kind) {
  std::optional<double> lowest;
  for (const Path& path : numbered_entries(zone, "trip_point_")) {
    const std::string file = path.filename().string();
    if (!file.ends_with("_type") || read_sysfs_text(path).text != kind) continue;
    const auto celsius = plausible_celsius(zone / (file.substr(0, file.size() - 4) + "temp"));
    if (celsius && (!lowest || *celsius < *lowest)) lowest = celsius;
  }
  return lowest;
}

std::vector<TemperatureSensor> read_zones(const Path& root, std::vector<SensorProblem>& problems) {
  std::vector<TemperatureSensor> sensors;
  for (const Path& zone : numbered_entries(root / "sys/class/thermal", "thermal_zone")) {
    const SysfsText type = read_sysfs_text(zone / "type");
    const std::string label = type.text.empty() ? zone.filename().string() : type.text;
    if (is_foreign(label)) continue;
    TemperatureSensor sensor{fmt::format("zone '{}'", label), 0, trip_point(zone, "passive")};
    const auto celsius =
        read_celsius(zone / "temp", sensor.name, trip_point(zone, "critical"), problems);
    if (!celsius) continue;
    sensor.celsius = *celsius;
    sensors.push_back(std::move(sensor));
  }
  return sensors;
}

std::vector<TemperatureSensor> read_hwmon(const Path& root, std::vector<SensorProblem>& problems) {
  std::vector<TemperatureSensor> sensors;
  for (const Path& chip : numbered_entries(root / "sys/class/hwmon", "hwmon")) {
    const std::string chip_name = read_sysfs_text(chip / "name").text;
    if (is_foreign(chip_name)) continue;
    for (const Path& input : numbered_entries(chip, "temp")) {
      const std::string file = input.filename().string();
      if (!file.ends_with("_input")) continue;
      const std::string stem = file.substr(0, file.size() - 5);  // "temp1_"
      const SysfsText label = read_sysfs_text(chip / (stem + "label"));
      const std::string part = label.text.empty() ? stem.substr(0, stem.size() - 1) : label.text;
      const std::string name = chip_name.empty() ? chip.filename().string() : chip_name;
      TemperatureSensor sensor{fmt::format("sensor '{} {}'", name, part), 0,
                               plausible_celsius(chip / (stem + "max"))};
      const auto celsius =
          read_celsius(input, sensor.name, plausible_celsius(chip / (stem + "crit")), problems);
      if (!celsius) continue;
      sensor.celsius = *celsius;
      sensors.push_back(std::move(sensor));
    }
  }
  return sensors;
}

}  // namespace

std::vector<TemperatureSensor> read_temperatures(const Path& root,
                                                 std::vector<SensorProblem>& problems) {
  std::vector<TemperatureSensor> sensors = read_zones(root, problems);
  return sensors.empty() ? read_hwmon(root, problems) : sensors;
}

const TemperatureSensor* hottest(std::span<const TemperatureSensor> sensors) {
  const auto most =
      std::max_element(sensors.begin(), sensors.end(),
                       [](const auto& a, const auto& b) { return a.celsius < b.celsius; });
  return most == sensors.end() ? nullptr : &*most;
}

}  // namespace minim
