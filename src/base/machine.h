// The memory, caches and settings of this machine, as Linux tells them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"

namespace minim {

struct CpuCache {
  int level = 0;
  std::string kind;    // "Data", "Instruction" or "Unified"
  uint64_t bytes = 0;  // of one such cache
};

struct Machine {
  std::vector<CpuCache> caches;                // of the first processor
  uint64_t memory_bytes = 0;                   // 0: not known
  uint64_t available_bytes = 0;                // for new programs, a container's limit considered
  std::optional<uint64_t> memory_limit_bytes;  // that a container sets
  std::string huge_pages;                      // "always", "madvise", "never"; empty: not known
  bool emulated = false;                       // the processor is a program
};

// What cannot be read is left as above. `root`: where /proc and /sys are, for tests.
Machine read_machine(const Path& root = "/");

}  // namespace minim
