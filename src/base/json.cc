#include "base/json.h"

#include <fmt/core.h>

#include <set>
#include <string>
#include <type_traits>
#include <vector>

#include "base/error.h"

namespace minim {
namespace {

// Of keys, in objects that keep their order and have no index: so many, and some for every byte.
constexpr size_t kComparisonsMax = 8'000'000, kComparisonsPerByte = 8;

template <typename J>
J parse(std::string_view text, std::string_view origin, const JsonLimits& limits) {
  if (text.size() > limits.bytes_max) {
    throw Error(ErrorCode::kLimit, fmt::format("{}: {} bytes of JSON, more than the {} allowed",
                                               origin, text.size(), limits.bytes_max));
  }
  std::vector<std::set<std::string>> keys;  // of the objects that are open
  size_t comparisons = 0;
  const auto watch = [&](int depth, nlohmann::json::parse_event_t event, J& parsed) {
    using Event = nlohmann::json::parse_event_t;
    if (depth > limits.depth_max) {
      throw Error(ErrorCode::kLimit,
                  fmt::format("{}: JSON nested deeper than {}", origin, limits.depth_max));
    }
    if (limits.allow_duplicate_keys) return true;
    if (event == Event::object_start) keys.emplace_back();
    if (event == Event::object_end) keys.pop_back();
    if (event == Event::key) {
      const auto& key = parsed.template get_ref<const std::string&>();
      if (!keys.back().insert(key).second) {
        throw Error(ErrorCode::kFormat, fmt::format("{}: the key '{}' stands twice", origin, key));
      }
      comparisons += std::is_same_v<J, OrderedJson> ? keys.back().size() : 0;
      if (comparisons > kComparisonsMax + kComparisonsPerByte * text.size()) {
        throw Error(ErrorCode::kLimit,
                    fmt::format("{}: objects have too many keys, some {} in one of them", origin,
                                keys.back().size()));
      }
    }
    return true;
  };
  try {
    return J::parse(text.begin(), text.end(), watch);
  } catch (const nlohmann::json::exception& error) {
    throw Error(ErrorCode::kFormat, fmt::format("{}: not valid JSON: {}", origin, error.what()));
  }
}

[[noreturn]] void throw_type(std::string_view origin, std::string_view key, const char* wanted,
                             const Json& value) {
  throw Error(ErrorCode::kFormat, fmt::format("{}: '{}' must be {}, but is {}", origin, key, wanted,
                                              value.type_name()));
}

}  // namespace

Json parse_json(std::string_view text, std::string_view origin, const JsonLimits& limits) {
  return parse<Json>(text, origin, limits);
}

OrderedJson parse_ordered_json(std::string_view text, std::string_view origin,
                               const JsonLimits& limits) {
  return parse<OrderedJson>(text, origin, limits);
}

template <typename T>
std::optional<T> json_get(const Json& object, std::string_view key, std::string_view origin) {
  if (!object.is_object()) {
    throw Error(ErrorCode::kFormat,
                fmt::format("{}: an object with the key '{}' was expected", origin, key));
  }
  const auto found = object.find(std::string(key));
  if (found == object.end() || found->is_null()) return std::nullopt;
  const Json& value = *found;
  if constexpr (std::is_same_v<T, bool>) {
    if (!value.is_boolean()) throw_type(origin, key, "true or false", value);
  } else if constexpr (std::is_same_v<T, int64_t>) {
    if (!value.is_number_integer()) throw_type(origin, key, "a whole number", value);
    if (value.is_number_unsigned() && value.template get<uint64_t>() > uint64_t{INT64_MAX}) {
      throw_type(origin, key, "a whole number below 2^63", value);
    }
  } else if constexpr (std::is_same_v<T, double>) {
    if (!value.is_number()) throw_type(origin, key, "a number", value);
  } else {
    if (!value.is_string()) throw_type(origin, key, "a string", value);
  }
  return value.template get<T>();
}

template std::optional<bool> json_get(const Json&, std::string_view, std::string_view);
template std::optional<int64_t> json_get(const Json&, std::string_view, std::string_view);
template std::optional<double> json_get(const Json&, std::string_view, std::string_view);
template std::optional<std::string> json_get(const Json&, std::string_view, std::string_view);

}  // namespace minim
