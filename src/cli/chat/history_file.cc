#include "cli/chat/history_file.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "text/utf8.h"

namespace minim::cli {
namespace {

constexpr mode_t kOwnerOnly = 0600;

// Closes at the end of the scope.
struct Descriptor {
  int value = -1;
  ~Descriptor() {
    if (value >= 0) ::close(value);
  }
};

std::string escape(std::string_view entry) {
  std::string line;
  for (const char c : replace_invalid_utf8(entry)) {
    if (c == '\n') {
      line += "\\n";
    } else if (c == '\\') {
      line += "\\\\";
    } else if (c != '\0' && c != '\r') {
      line += c;
    }
  }
  return line + "\n";
}

std::string unescape(std::string_view line) {
  std::string entry;
  for (size_t i = 0; i < line.size(); ++i) {
    const bool escaped = line[i] == '\\' && i + 1 < line.size();
    if (escaped) ++i;
    entry += escaped && line[i] == 'n' ? '\n' : line[i];
  }
  return replace_invalid_utf8(entry);
}

// The last `bytes_max` bytes of the file, from the beginning of a line on.
bool read_end(int descriptor, size_t bytes_max, std::string& text) {
  const off_t size = ::lseek(descriptor, 0, SEEK_END);
  if (size < 0) return false;
  const bool whole = static_cast<size_t>(size) <= bytes_max;
  const off_t begin = whole ? 0 : size - static_cast<off_t>(bytes_max);
  text.resize(static_cast<size_t>(size - begin));
  size_t done = 0;
  while (done < text.size()) {
    const ssize_t count = ::pread(descriptor, text.data() + done, text.size() - done,
                                  begin + static_cast<off_t>(done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    if (count == 0) break;
    done += static_cast<size_t>(count);
  }
  text.resize(done);
  if (!whole) text.erase(0, std::min(text.size(), text.find('\n') + 1));
  return true;
}

std::vector<std::string> split_entries(std::string_view text) {
  std::vector<std::string> entries;
  while (!text.empty()) {
    const size_t end = std::min(text.size(), text.find('\n'));
    if (end > 0) entries.push_back(unescape(text.substr(0, end)));
    text.remove_prefix(std::min(text.size(), end + 1));
  }
  return entries;
}

}  // namespace

Path default_history_path() {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value == nullptr ? "" : value);
  };
  // A relative path is to be ignored, says the XDG Base Directory Specification.
  Path state = variable("XDG_STATE_HOME");
  if (!state.is_absolute()) {
    const std::string home = variable("HOME");
    if (home.empty()) return {};
    state = Path(home) / ".local" / "state";
  }
  return state / "minim" / "history";
}

HistoryFile::HistoryFile(Path path, HistoryLimits limits)
    : path_(std::move(path)), limits_(limits) {}

void HistoryFile::fail(const char* verb, const Path& path) {
  problem_ = fmt::format("cannot {} '{}': {}", verb, path.string(), std::strerror(errno));
}

std::vector<std::string> HistoryFile::load() {
  const Descriptor file{::open(path_.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.value < 0) {
    if (errno != ENOENT) fail("read", path_);
    return {};
  }
  std::string text;
  if (!read_end(file.value, limits_.bytes_max, text)) {
    fail("read", path_);
    return {};
  }
  std::vector<std::string> entries = split_entries(text);
  struct stat status = {};
  const bool large =
      ::fstat(file.value, &status) == 0 && static_cast<size_t>(status.st_size) > limits_.bytes_max;
  if (large || entries.size() > limits_.entries_max) {
    // Half of it, so that the next one need not do this again.
    const size_t kept = std::min(entries.size(), limits_.entries_max / 2);
    entries.erase(entries.begin(), entries.end() - static_cast<ptrdiff_t>(kept));
    rewrite(entries);
  }
  return entries;
}

void HistoryFile::append(std::string_view entry) {
  if (path_.empty() || entry.empty() || entry.size() > limits_.entry_bytes_max) return;
  if (entry == last_) return;
  last_ = entry;
  std::error_code ignored;  // what is wrong with the folder shows when the file is opened
  const Path folder = path_.parent_path();
  if (std::filesystem::create_directories(folder, ignored)) {
    std::filesystem::permissions(folder, std::filesystem::perms::owner_all, ignored);
  }
  write_lines(escape(entry), O_APPEND, path_);
}

void HistoryFile::rewrite(const std::vector<std::string>& entries) {
  std::string lines;
  for (const std::string& entry : entries) lines += escape(entry);
  const Path fresh = path_.string() + fmt::format(".{}", ::getpid());
  if (!write_lines(lines, O_EXCL, fresh)) return;
  if (std::rename(fresh.c_str(), path_.c_str()) != 0) {
    fail("replace", path_);
    ::unlink(fresh.c_str());
  }
}

bool HistoryFile::write_lines(const std::string& lines, int flags, const Path& path) {
  const Descriptor file{::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | flags, kOwnerOnly)};
  struct stat status = {};
  // Whoever links it to /dev/null means that; that is no file of ours.
  const bool ours = file.value >= 0 && ::fstat(file.value, &status) == 0 && S_ISREG(status.st_mode);
  // One write, so that the entries of two programs do not mix.
  const bool written =
      file.value >= 0 && (!ours || ::fchmod(file.value, kOwnerOnly) == 0) &&
      ::write(file.value, lines.data(), lines.size()) == static_cast<ssize_t>(lines.size());
  if (!written) fail("write", path);
  return written;
}

}  // namespace minim::cli
