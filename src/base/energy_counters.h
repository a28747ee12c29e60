// The processor's own energy counters (RAPL; AMD's processors have them under the same name), as
// Linux tells them (Documentation/power/powercap/powercap.rst).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/sysfs.h"

namespace minim {

// Sums what the counters of all packages have counted, and of their memory where that is counted
// beside them. They count everything that runs on the machine.
class EnergyCounters {
 public:
  // `root`: where /sys is.
  explicit EnergyCounters(const Path& root);

  // kOk where there are counters and all can be read; else what is the matter, kDenied before
  // kAbsent: the counters of many systems are for root only.
  SysfsStatus status() const { return status_; }
  // "package-0", "dram", ...
  std::vector<std::string> names() const;

  // Joules since this was made. A counter that went back has begun anew, after what it says to hold
  // at most; calls must not lie further apart than that (minutes to hours). Nothing more is added
  // once a counter cannot be read any more, which status() then tells.
  double joules();

 private:
  struct Counter {
    std::string name;
    Path path;
    uint64_t range = 0;  // microjoules: it wraps to 0 above
    uint64_t last = 0;
  };
  void add(const Path& zone, const std::string& name);

  std::vector<Counter> counters_;
  SysfsStatus status_ = SysfsStatus::kAbsent;
  double joules_ = 0;
};

}  // namespace minim
