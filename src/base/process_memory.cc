#include "base/process_memory.h"

#include <malloc.h>

#include <fstream>
#include <string>

namespace minim {
namespace {

// "VmHWM:     12345 kB"
std::optional<uint64_t> status_bytes(const std::string& wanted) {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind(wanted, 0) != 0) continue;
    const size_t digits = line.find_first_of("0123456789");
    if (digits == std::string::npos) return std::nullopt;
    return uint64_t{std::stoull(line.substr(digits))} << 10;
  }
  return std::nullopt;
}

}  // namespace

std::optional<uint64_t> resident_bytes() { return status_bytes("VmRSS:"); }

std::optional<uint64_t> peak_resident_bytes() { return status_bytes("VmHWM:"); }

bool reset_peak_resident() {
  ::malloc_trim(0);
  // 5: the peak (Documentation/filesystems/proc.rst).
  std::ofstream file("/proc/self/clear_refs");
  file << "5" << std::flush;
  return file.good();
}

}  // namespace minim
