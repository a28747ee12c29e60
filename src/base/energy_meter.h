// How much energy work takes: measured where the machine can, or else estimated and called so.
#pragma once

#include <functional>
#include <string>

#include "base/energy_counters.h"
#include "base/file.h"

namespace minim {

enum class EnergySource {
  kCounters,  // measured: the processor's own counters, of everything that runs
  kBattery,   // measured: what the battery gives, the screen included
  kEstimate,  // seconds of processor time of this process, at so many watts
};
// "rapl", "battery", "estimate"
const char* energy_source_name(EnergySource source);
inline bool is_measured(EnergySource source) { return source != EnergySource::kEstimate; }

struct EnergyOptions {
  // Of a busy core, its share of caches and memory included, for estimates: laptops and servers
  // have 3 to 10, phones 1 to 3.
  double watts_per_core = 5;
  Path root = "/";  // where /sys is
  // Seconds, for tests. Empty: the system's.
  std::function<double()> clock;      // that passed
  std::function<double()> processor;  // that this process's threads ran
};

struct Energy {
  double joules = 0;
  EnergySource source = EnergySource::kEstimate;
};

class EnergyMeter {
 public:
  explicit EnergyMeter(const EnergyOptions& options = {});

  // Since this was made. A battery's power is known at each call only, so call often. Where the
  // source fails on the way (the charger is plugged in), what follows is estimated, and all of it
  // called so from then on.
  Energy read();

  EnergySource source() const { return source_; }
  // Where that is an estimate: why nothing is measured, and what to do.
  std::string reason() const;

 private:
  void fall_back();
  void add_battery();

  EnergyOptions options_;
  EnergyCounters counters_;
  EnergySource source_ = EnergySource::kEstimate;
  double joules_ = 0;           // of the source before the last change
  double processor_start_ = 0;  // where an estimate began
  double battery_watts_ = 0;    // at the last look
  double battery_time_ = 0;
};

}  // namespace minim
