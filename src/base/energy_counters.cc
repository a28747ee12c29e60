#include "base/energy_counters.h"

#include <utility>

namespace minim {

EnergyCounters::EnergyCounters(const Path& root) {
  // Others, such as intel-rapl-mmio:0, count the same energy once more.
  constexpr const char* kPrefix = "intel-rapl:";
  const std::vector<Path> zones = numbered_entries(root / "sys/class/powercap", kPrefix);
  const auto is_part = [](const Path& zone) {  // "intel-rapl:0:1"
    const std::string name = zone.filename().string();
    return name.find(':') != name.rfind(':');
  };
  for (const Path& zone : zones) {
    const std::string name = read_sysfs_text(zone / "name").text;
    // Cores and graphics are parts of what the package counts, memory is not.
    if (is_part(zone) ? name == "dram" : name.starts_with("package")) add(zone, name);
  }
  // The whole board, where a system counts nothing else.
  for (const Path& zone : zones) {
    if (counters_.empty() && status_ == SysfsStatus::kAbsent && !is_part(zone)) {
      add(zone, read_sysfs_text(zone / "name").text);
    }
  }
}

void EnergyCounters::add(const Path& zone, const std::string& name) {
  if (status_ != SysfsStatus::kAbsent && status_ != SysfsStatus::kOk) return;
  const SysfsNumber now = read_sysfs_number(zone / "energy_uj");
  const SysfsNumber range = read_sysfs_number(zone / "max_energy_range_uj");
  for (const SysfsNumber& number : {now, range}) {
    const bool usable = number.ok() && number.value >= 0;
    if (usable) continue;
    status_ = number.ok() ? SysfsStatus::kGarbage : number.status;
    counters_.clear();
    return;
  }
  counters_.push_back({name, zone / "energy_uj", static_cast<uint64_t>(range.value),
                       static_cast<uint64_t>(now.value)});
  status_ = SysfsStatus::kOk;
}

std::vector<std::string> EnergyCounters::names() const {
  std::vector<std::string> names;
  for (const Counter& counter : counters_) names.push_back(counter.name);
  return names;
}

double EnergyCounters::joules() {
  for (Counter& counter : counters_) {
    const SysfsNumber number = read_sysfs_number(counter.path);
    if (!number.ok() || number.value < 0) {
      status_ = number.ok() ? SysfsStatus::kGarbage : number.status;
      counters_.clear();
      break;
    }
    const auto now = static_cast<uint64_t>(number.value);
    uint64_t grown = now - counter.last;
    if (now < counter.last) {
      // Beyond its own range it cannot have been; then nothing is known of what came before.
      grown = counter.last <= counter.range ? counter.range - counter.last + now : now;
    }
    joules_ += static_cast<double>(grown) * 1e-6;
    counter.last = now;
  }
  return joules_;
}

}  // namespace minim
