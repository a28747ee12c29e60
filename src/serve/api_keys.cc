#include "serve/api_keys.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <span>
#include <sstream>
#include <vector>

#include "base/error.h"
#include "base/sha256.h"
#include "base/system_random.h"

namespace minim::serve {
namespace {

constexpr size_t kFileBytesMax = size_t{16} << 20;

std::string hash_of(std::string_view key) {
  Sha256 hash;
  hash.add(std::as_bytes(std::span(key.data(), key.size())));
  return hash.finish();
}

std::optional<uint8_t> parse_scopes(std::string_view text) {
  uint8_t scopes = 0;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    const std::string_view name = text.substr(begin, end - begin);
    if (name == "inference") {
      scopes |= static_cast<uint8_t>(Scope::kInference);
    } else if (name == "metrics") {
      scopes |= static_cast<uint8_t>(Scope::kMetrics);
    } else if (name == "admin") {
      scopes |= static_cast<uint8_t>(Scope::kAdmin);
    } else {
      return std::nullopt;
    }
    begin = end + 1;
  }
  return scopes;
}

// "requests=60" or "tokens=10000".
bool parse_limit(std::string_view word, RateLimit& limit) {
  const size_t equals = std::min(word.find('='), word.size());
  const std::string_view name = word.substr(0, equals);
  int64_t& value = name == "requests" ? limit.requests : limit.tokens;
  if (equals == word.size() || (name != "requests" && name != "tokens") || value != 0) return false;
  const char* end = word.data() + word.size();
  const auto read = std::from_chars(word.data() + equals + 1, end, value);
  return read.ec == std::errc() && read.ptr == end && value > 0;
}

bool is_hash(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= 64 && text.front() != '#' &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

}  // namespace

ApiKeys::ApiKeys(const Path& file) {
  std::istringstream lines(read_file(file, kFileBytesMax));
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    std::istringstream words(line);
    std::string name;
    std::string hash;
    std::string scopes;
    std::string rest;
    words >> name >> hash >> scopes;
    if (name.empty() || name.front() == '#') continue;
    const auto parsed = parse_scopes(scopes);
    RateLimit limit;
    bool is_line = is_hash(hash) && parsed;
    while (is_line && words >> rest) is_line = parse_limit(rest, limit);
    if (!is_line) {
      throw Error(ErrorCode::kFormat,
                  fmt::format("keys: line {} of '{}' is not NAME SHA256 SCOPES [requests=N] "
                              "[tokens=N]; minim serve --new-key writes such lines",
                              number, file.string()));
    }
    keys_[hash] = std::make_shared<const ApiKey>(ApiKey{name, *parsed, limit});
  }
  if (keys_.empty()) {
    throw Error(
        ErrorCode::kFormat,
        fmt::format("keys: '{}' has no key; minim serve --new-key NAME makes one", file.string()));
  }
}

void ApiKeys::add(std::string_view key, ApiKey about) {
  keys_[hash_of(key)] = std::make_shared<const ApiKey>(std::move(about));
}

// The time of looking a hash up tells nothing of the key.
std::shared_ptr<const ApiKey> ApiKeys::find(std::string_view key) const {
  const auto found = keys_.find(hash_of(key));
  return found == keys_.end() ? nullptr : found->second;
}

std::shared_ptr<const ApiKey> ApiKeys::find_name(std::string_view name) const {
  for (const auto& [hash, key] : keys_) {
    if (key->name == name) return key;
  }
  return nullptr;
}

std::string make_api_key() {
  std::string key = "mk-";
  for (int i = 0; i < 4; ++i) key += fmt::format("{:016x}", system_random());
  return key;
}

void append_api_key(const Path& file, std::string_view key, std::string_view name,
                    std::string_view scopes, const RateLimit& limit) {
  if (!is_name(name)) {
    throw Error(ErrorCode::kInvalidArgument,
                "keys: a name has 1 to 64 letters, digits and signs, and no space");
  }
  if (!parse_scopes(scopes)) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("keys: '{}' is no list of inference, metrics, admin", scopes));
  }
  std::string line = fmt::format("{} {} {}", name, hash_of(key), scopes);
  if (limit.requests > 0) line += fmt::format(" requests={}", limit.requests);
  if (limit.tokens > 0) line += fmt::format(" tokens={}", limit.tokens);
  line += '\n';
  const int descriptor =
      ::open(file.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR);
  const bool written =
      descriptor >= 0 &&
      ::write(descriptor, line.data(), line.size()) == static_cast<ssize_t>(line.size()) &&
      ::fsync(descriptor) == 0;
  const int error = errno;
  if (descriptor >= 0) ::close(descriptor);
  if (written) return;
  throw Error(ErrorCode::kIo,
              fmt::format("keys: cannot write '{}': {}", file.string(), std::strerror(error)));
}

}  // namespace minim::serve
