#include "base/processor_load.h"

#include <string>
#include <string_view>

#include "base/sysfs.h"

namespace minim {
namespace {

constexpr double kHertzMax = 1e11;

std::optional<double> read_quota(const Path& root) {
  const Path folder = root / "sys/fs/cgroup";
  const std::string text = read_sysfs_text(folder / "cpu.max").text;  // "50000 100000"
  std::optional<double> quota = parse_leading_number(text);
  std::optional<double> period;
  if (const size_t space = text.find(' '); space != std::string::npos) {
    period = parse_leading_number(std::string_view(text).substr(space));
  }
  if (!quota) {  // version 1 of cgroups
    quota = parse_leading_number(read_sysfs_text(folder / "cpu/cpu.cfs_quota_us").text);
    period = parse_leading_number(read_sysfs_text(folder / "cpu/cpu.cfs_period_us").text);
  }
  if (!quota || !period || *quota <= 0 || *period <= 0) return std::nullopt;
  return *quota / *period;
}

std::optional<double> read_hertz(const Path& path) {
  const SysfsNumber kilohertz = read_sysfs_number(path);
  const double hertz = static_cast<double>(kilohertz.value) * 1000;
  return kilohertz.ok() && hertz > 0 && hertz < kHertzMax ? std::optional(hertz) : std::nullopt;
}

// Of the fastest processors: those of a slower kind have limits of their own.
void read_frequency(const Path& root, ProcessorLoad& load) {
  const Path parent = root / "sys/devices/system/cpu/cpufreq";
  for (const Path& policy : numbered_entries(parent, "policy")) {
    const auto most = read_hertz(policy / "cpuinfo_max_freq");
    const auto allowed = read_hertz(policy / "scaling_max_freq");
    if (!most || !allowed || *most <= load.frequency_hz_max.value_or(0)) continue;
    load.frequency_hz_max = most;
    load.frequency_hz = allowed;
  }
}

// "some avg10=1.53 avg60=0.87 avg300=0.73 total=48223756"
std::optional<double> read_pressure(const Path& root) {
  const std::string text = read_sysfs_text(root / "proc/pressure/cpu").text;
  constexpr std::string_view kBefore = "some avg10=";
  if (!text.starts_with(kBefore)) return std::nullopt;
  const auto percent = parse_leading_number(std::string_view(text).substr(kBefore.size()));
  return percent && *percent >= 0 && *percent <= 100 ? percent : std::nullopt;
}

}  // namespace

ProcessorLoad read_processor_load(const Path& root) {
  ProcessorLoad load;
  load.quota = read_quota(root);
  read_frequency(root, load);
  load.average = parse_leading_number(read_sysfs_text(root / "proc/loadavg").text);
  if (load.average && *load.average < 0) load.average.reset();
  load.pressure_percent = read_pressure(root);
  return load;
}

}  // namespace minim
