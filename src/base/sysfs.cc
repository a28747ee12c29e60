#include "base/sysfs.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <system_error>
#include <utility>

namespace minim {
namespace {

constexpr size_t kTextBytesMax = 4096;  // a page, which is all that sysfs gives

SysfsStatus status_of(int error) {
  if (error == ENOENT || error == ENOTDIR) return SysfsStatus::kAbsent;
  if (error == EACCES || error == EPERM) return SysfsStatus::kDenied;
  return SysfsStatus::kUnreadable;
}

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\0'; }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

}  // namespace

const char* sysfs_status_text(SysfsStatus status) {
  switch (status) {
    case SysfsStatus::kOk: return "can be read";
    case SysfsStatus::kAbsent: return "is absent";
    case SysfsStatus::kDenied: return "may not be read by this user";
    case SysfsStatus::kUnreadable: return "cannot be read";
    case SysfsStatus::kGarbage: return "holds no number";
  }
  return "cannot be read";
}

SysfsText read_sysfs_text(const Path& path) {
  // A value is there or is not: nothing here may block.
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) return {status_of(errno), {}};
  std::array<char, kTextBytesMax> buffer;
  const ssize_t count = ::read(descriptor, buffer.data(), buffer.size());
  const int error = errno;
  ::close(descriptor);
  // Drivers answer EAGAIN, ENODATA, EIO, ... for a sensor that is switched off.
  if (count < 0) return {error == EPERM ? SysfsStatus::kDenied : SysfsStatus::kUnreadable, {}};
  return {SysfsStatus::kOk, std::string(trimmed({buffer.data(), static_cast<size_t>(count)}))};
}

SysfsNumber read_sysfs_number(const Path& path) {
  const SysfsText text = read_sysfs_text(path);
  if (!text.ok()) return {text.status, 0};
  int64_t value = 0;
  const char* const end = text.text.data() + text.text.size();
  const auto [stop, error] = std::from_chars(text.text.data(), end, value);
  if (error != std::errc() || stop != end) return {SysfsStatus::kGarbage, 0};
  return {SysfsStatus::kOk, value};
}

std::optional<double> parse_leading_number(std::string_view text) {
  text = trimmed(text);
  double value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || stop == text.data() || !std::isfinite(value)) return std::nullopt;
  return value;
}

std::vector<Path> numbered_entries(const Path& folder, std::string_view prefix) {
  std::vector<std::pair<uint64_t, Path>> found;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (!name.starts_with(prefix)) continue;
    uint64_t number = 0;
    const char* const begin = name.data() + prefix.size();
    const auto parsed = std::from_chars(begin, name.data() + name.size(), number);
    if (parsed.ec == std::errc() && parsed.ptr != begin) found.emplace_back(number, entry->path());
  }
  std::sort(found.begin(), found.end());
  std::vector<Path> paths;
  for (auto& [number, path] : found) paths.push_back(std::move(path));
  return paths;
}

}  // namespace minim
