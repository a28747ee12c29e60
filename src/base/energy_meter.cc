#include "base/energy_meter.h"

#include <fmt/core.h>

#include <chrono>
#include <ctime>
#include <optional>
#include <vector>

#include "base/power_supply.h"

namespace minim {
namespace {

double steady_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double processor_seconds() {
  timespec time = {};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

std::optional<double> battery_watts(const Path& root) {
  std::vector<SensorProblem> ignored;
  const PowerSupply supply = read_power_supply(root, ignored);
  return supply.on_battery() ? supply.watts() : std::nullopt;
}

}  // namespace

const char* energy_source_name(EnergySource source) {
  switch (source) {
    case EnergySource::kCounters: return "rapl";
    case EnergySource::kBattery: return "battery";
    case EnergySource::kEstimate: return "estimate";
  }
  return "estimate";
}

EnergyMeter::EnergyMeter(const EnergyOptions& options)
    : options_(options), counters_(options.root) {
  if (!options_.clock) options_.clock = steady_seconds;
  if (!options_.processor) options_.processor = processor_seconds;
  processor_start_ = options_.processor();
  battery_time_ = options_.clock();
  if (counters_.status() == SysfsStatus::kOk) {
    source_ = EnergySource::kCounters;
  } else if (const auto watts = battery_watts(options_.root)) {
    source_ = EnergySource::kBattery;
    battery_watts_ = *watts;
  }
}

// Trapezia between the looks at the battery.
void EnergyMeter::add_battery() {
  const double now = options_.clock();
  const auto watts = battery_watts(options_.root);
  joules_ += (now - battery_time_) * (battery_watts_ + watts.value_or(battery_watts_)) / 2;
  battery_time_ = now;
  if (watts) {
    battery_watts_ = *watts;
  } else {
    fall_back();
  }
}

void EnergyMeter::fall_back() {
  source_ = EnergySource::kEstimate;
  processor_start_ = options_.processor();
}

Energy EnergyMeter::read() {
  if (source_ == EnergySource::kBattery) {
    add_battery();
  } else if (source_ == EnergySource::kCounters) {
    const double counted = counters_.joules();
    if (counters_.status() == SysfsStatus::kOk) return {counted, source_};
    joules_ = counted;
    fall_back();
  }
  double joules = joules_;
  if (source_ == EnergySource::kEstimate) {
    joules += (options_.processor() - processor_start_) * options_.watts_per_core;
  }
  return {joules, source_};
}

std::string EnergyMeter::reason() const {
  if (source_ != EnergySource::kEstimate) return "";
  switch (counters_.status()) {
    case SysfsStatus::kDenied:
      return "the processor's energy counters may be read by root only; as root: chmod a+r "
             "/sys/class/powercap/intel-rapl:*/energy_uj";
    case SysfsStatus::kAbsent: return "this system shows no energy counters of the processor";
    default:
      return fmt::format("the processor's energy counter {}",
                         sysfs_status_text(counters_.status()));
  }
}

}  // namespace minim
