#include "base/power_supply.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <system_error>

namespace minim {
namespace {

constexpr double kWattsMax = 1000;  // of a battery that somebody carries

// Stated, or what is in it over what fits.
std::optional<double> read_percent(const Path& folder, const std::string& name,
                                   std::vector<SensorProblem>& problems) {
  const SysfsNumber stated = read_sysfs_number(folder / "capacity");
  if (stated.ok()) {
    if (stated.value >= 0 && stated.value <= 100) return static_cast<double>(stated.value);
    problems.push_back({name, fmt::format("says that it is {} % full", stated.value)});
    return std::nullopt;
  }
  for (const char* kind : {"energy", "charge"}) {
    const SysfsNumber now = read_sysfs_number(folder / fmt::format("{}_now", kind));
    const SysfsNumber full = read_sysfs_number(folder / fmt::format("{}_full", kind));
    if (!now.ok() || !full.ok() || full.value <= 0 || now.value < 0) continue;
    return std::min(100.0, 100 * static_cast<double>(now.value) / static_cast<double>(full.value));
  }
  problems.push_back({name, fmt::format("does not say how full it is: its capacity {}",
                                        sysfs_status_text(stated.status))});
  return std::nullopt;
}

// Some drivers give the current a sign, others do not.
std::optional<double> read_watts(const Path& folder) {
  double watts = -1;
  const SysfsNumber power = read_sysfs_number(folder / "power_now");
  if (power.ok()) {
    watts = std::abs(static_cast<double>(power.value)) * 1e-6;
  } else {
    const SysfsNumber current = read_sysfs_number(folder / "current_now");
    const SysfsNumber voltage = read_sysfs_number(folder / "voltage_now");
    if (!current.ok() || !voltage.ok()) return std::nullopt;
    watts =
        std::abs(static_cast<double>(current.value)) * static_cast<double>(voltage.value) * 1e-12;
  }
  if (watts <= 0 || watts > kWattsMax) return std::nullopt;
  return watts;
}

void read_battery(const Path& folder, PowerSupply& supply, std::vector<SensorProblem>& problems) {
  if (read_sysfs_text(folder / "scope").text == "Device") return;
  const SysfsNumber present = read_sysfs_number(folder / "present");
  if (present.ok() && present.value == 0) return;
  const std::string name = folder.filename().string();
  const auto percent = read_percent(folder, fmt::format("battery '{}'", name), problems);
  if (!percent) return;
  supply.batteries.push_back(
      {.name = name,
       .percent = *percent,
       .discharging = read_sysfs_text(folder / "status").text == "Discharging",
       .watts = read_watts(folder)});
}

}  // namespace

bool PowerSupply::on_battery() const {
  return !mains.value_or(false) &&
         std::any_of(batteries.begin(), batteries.end(),
                     [](const Battery& battery) { return battery.discharging; });
}

double PowerSupply::percent() const {
  double sum = 0;
  for (const Battery& battery : batteries) sum += battery.percent;
  return batteries.empty() ? 0 : sum / static_cast<double>(batteries.size());
}

std::optional<double> PowerSupply::watts() const {
  std::optional<double> sum;
  for (const Battery& battery : batteries) {
    if (!battery.discharging) continue;
    if (!battery.watts) return std::nullopt;
    sum = sum.value_or(0) + *battery.watts;
  }
  return sum;
}

PowerSupply read_power_supply(const Path& root, std::vector<SensorProblem>& problems) {
  std::vector<Path> folders;
  std::error_code error;
  const Path parent = root / "sys/class/power_supply";
  for (std::filesystem::directory_iterator entry(parent, error), end; !error && entry != end;
       entry.increment(error)) {
    folders.push_back(entry->path());
  }
  std::sort(folders.begin(), folders.end());
  PowerSupply supply;
  for (const Path& folder : folders) {
    const std::string type = read_sysfs_text(folder / "type").text;
    if (type == "Battery") read_battery(folder, supply, problems);
    if (type != "Mains" && type != "USB" && type != "Wireless") continue;
    const SysfsNumber online = read_sysfs_number(folder / "online");
    if (online.ok()) supply.mains = supply.mains.value_or(false) || online.value == 1;
  }
  return supply;
}

}  // namespace minim
