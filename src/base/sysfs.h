// Small files in which Linux tells one value each (sysfs, procfs). They may be missing, closed to
// this user, or hold nonsense: what came of a reading is told, and nothing throws.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"

namespace minim {

enum class SysfsStatus {
  kOk,
  kAbsent,
  kDenied,      // this user may not read it
  kUnreadable,  // the driver behind it answers with an error
  kGarbage,     // no number, where one is expected
};
// "is absent", "may not be read by this user", "cannot be read", "holds no number"
const char* sysfs_status_text(SysfsStatus status);

struct SysfsText {
  SysfsStatus status = SysfsStatus::kAbsent;
  std::string text;  // without the line's end; 4 KiB at most

  bool ok() const { return status == SysfsStatus::kOk; }
};
SysfsText read_sysfs_text(const Path& path);

struct SysfsNumber {
  SysfsStatus status = SysfsStatus::kAbsent;
  int64_t value = 0;

  bool ok() const { return status == SysfsStatus::kOk; }
  std::optional<int64_t> optional() const { return ok() ? std::optional(value) : std::nullopt; }
};
// The whole text as one number.
SysfsNumber read_sysfs_number(const Path& path);
// "12.5 3": what begins `text` as a number, and nothing for what is none, infinite or not a number.
std::optional<double> parse_leading_number(std::string_view text);

// The entries of `folder` whose names begin with `prefix` and a digit, in the order of their
// numbers: temp2 before temp10. Empty where there is no such folder.
std::vector<Path> numbered_entries(const Path& folder, std::string_view prefix);

// Something that a sensor says and nobody should believe.
struct SensorProblem {
  std::string sensor;  // "thermal zone 'cpu-thermal'"
  std::string text;    // "reads -273.0 C"
};

}  // namespace minim
