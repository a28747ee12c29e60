#include "formats/huggingface/hf_config.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/error.h"
#include "formats/byte_reader.h"

namespace minim {

HfConfig::HfConfig(Json json, std::string origin)
    : json_(std::move(json)), origin_(std::move(origin)) {
  if (!json_.is_object()) {
    throw Error(ErrorCode::kFormat, fmt::format("{}: it is not an object", origin_));
  }
}

const Json* HfConfig::find(const char* key) const {
  const auto found = json_.find(key);
  return found == json_.end() || found->is_null() ? nullptr : &*found;
}

std::optional<int64_t> HfConfig::integer(const char* key) const {
  return json_get<int64_t>(json_, key, origin_);
}

std::optional<double> HfConfig::number(const char* key) const {
  const auto value = json_get<double>(json_, key, origin_);
  if (value && !std::isfinite(static_cast<float>(*value))) {
    throw Error(ErrorCode::kFormat, fmt::format("{}: '{}' is out of range", origin_, key));
  }
  return value;
}

std::optional<bool> HfConfig::boolean(const char* key) const {
  return json_get<bool>(json_, key, origin_);
}

std::optional<std::string> HfConfig::text(const char* key) const {
  return json_get<std::string>(json_, key, origin_);
}

std::optional<HfConfig> HfConfig::object(const char* key) const {
  const Json* found = find(key);
  if (found == nullptr) return std::nullopt;
  return HfConfig(*found, fmt::format("{}: {}", origin_, key));
}

int64_t HfConfig::require_size(std::initializer_list<const char*> keys) const {
  for (const char* key : keys) {
    if (find(key) != nullptr) return size_or(key, 0);
  }
  throw Error(ErrorCode::kFormat,
              fmt::format("{}: '{}' is missing", origin_, fmt::join(keys, "' or '")));
}

int64_t HfConfig::size_or(const char* key, int64_t absent) const {
  const auto value = integer(key);
  if (!value) return absent;
  if (*value < 1 || *value > int64_t{INT32_MAX}) {
    throw Error(ErrorCode::kFormat,
                fmt::format("{}: '{}' is {}, outside 1 to 2^31 - 1", origin_, key, *value));
  }
  return *value;
}

double HfConfig::require_number(const char* key) const {
  const auto value = number(key);
  if (!value) throw Error(ErrorCode::kFormat, fmt::format("{}: '{}' is missing", origin_, key));
  return *value;
}

void HfConfig::expect_text(const char* key, std::initializer_list<const char*> supported) const {
  const auto value = text(key);
  if (!value || std::find(supported.begin(), supported.end(), *value) != supported.end()) return;
  throw Error(ErrorCode::kUnsupported,
              fmt::format("{}: '{}' is '{}'; supported is '{}'", origin_, key, printable(*value),
                          fmt::join(supported, "' or '")));
}

void HfConfig::expect_flag(const char* key, bool supported) const {
  const auto value = boolean(key);
  if (!value || *value == supported) return;
  throw Error(ErrorCode::kUnsupported,
              fmt::format("{}: '{}' is {}, which is not supported", origin_, key, *value));
}

}  // namespace minim
