#include "base/machine.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <fstream>

namespace minim {
namespace {

std::string first_line(const Path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

std::optional<uint64_t> parse_number(const std::string& text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end == text.data()) return std::nullopt;
  return value;
}

// "48K", "2048K", "32M"
uint64_t parse_cache_size(const std::string& text) {
  const uint64_t number = parse_number(text).value_or(0);
  if (text.ends_with('K')) return number << 10;
  return text.ends_with('M') ? number << 20 : number;
}

std::vector<CpuCache> read_caches(const Path& root) {
  std::vector<CpuCache> caches;
  for (int index = 0;; ++index) {
    const Path folder = root / fmt::format("sys/devices/system/cpu/cpu0/cache/index{}", index);
    const auto level = parse_number(first_line(folder / "level"));
    if (!level) return caches;
    caches.push_back({.level = static_cast<int>(*level),
                      .kind = first_line(folder / "type"),
                      .bytes = parse_cache_size(first_line(folder / "size"))});
  }
}

void read_memory(const Path& root, Machine& machine) {
  std::ifstream file(root / "proc/meminfo");
  std::string key, unit;
  for (uint64_t kibibytes = 0; file >> key >> kibibytes;) {
    std::getline(file, unit);
    if (key == "MemTotal:") machine.memory_bytes = kibibytes << 10;
    if (key == "MemAvailable:") machine.available_bytes = kibibytes << 10;
  }
}

// Version 2 of cgroups, then version 1. Limits beyond the memory there is are none.
void read_limit(const Path& root, Machine& machine) {
  const Path folder = root / "sys/fs/cgroup";
  auto limit = parse_number(first_line(folder / "memory.max"));
  auto used = parse_number(first_line(folder / "memory.current"));
  if (!limit) {
    limit = parse_number(first_line(folder / "memory/memory.limit_in_bytes"));
    used = parse_number(first_line(folder / "memory/memory.usage_in_bytes"));
  }
  if (!limit || *limit >= machine.memory_bytes) return;
  machine.memory_limit_bytes = limit;
  const uint64_t left = *limit - std::min(*limit, used.value_or(0));
  machine.available_bytes = std::min(machine.available_bytes, left);
}

// "always [madvise] never"
std::string read_huge_pages(const Path& root) {
  const std::string line = first_line(root / "sys/kernel/mm/transparent_hugepage/enabled");
  const size_t open = line.find('[');
  const size_t close = line.find(']');
  if (open == std::string::npos || close == std::string::npos || close < open) return "";
  return line.substr(open + 1, close - open - 1);
}

// QEMU says TCG in the name of a processor that it computes itself.
bool is_emulated(const Path& root) {
  std::ifstream file(root / "proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("model name") && line.find("TCG") != std::string::npos) return true;
  }
  return false;
}

}  // namespace

Machine read_machine(const Path& root) {
  Machine machine;
  machine.caches = read_caches(root);
  read_memory(root, machine);
  read_limit(root, machine);
  machine.huge_pages = read_huge_pages(root);
  machine.emulated = is_emulated(root);
  return machine;
}

}  // namespace minim
