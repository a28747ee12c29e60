// JSON: nlohmann's, behind limits that hostile input cannot pass.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string_view>

namespace minim {

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;

struct JsonLimits {
  size_t bytes_max = size_t{256} << 20;
  int depth_max = 256;
  bool allow_duplicate_keys = false;
};

// Parses UTF-8 text. `origin` names the source in messages ("config.json"). Throws kFormat with the
// position, or kLimit.
Json parse_json(std::string_view text, std::string_view origin, const JsonLimits& limits = {});
// The same, keeping the order of object keys.
OrderedJson parse_ordered_json(std::string_view text, std::string_view origin,
                               const JsonLimits& limits = {});

// `object[key]` as T, or nothing where the key is absent or null. Throws kFormat, naming `origin`,
// the key and the type wanted, where the value has another type or does not fit.
template <typename T>
std::optional<T> json_get(const Json& object, std::string_view key, std::string_view origin);

extern template std::optional<bool> json_get(const Json&, std::string_view, std::string_view);
extern template std::optional<int64_t> json_get(const Json&, std::string_view, std::string_view);
extern template std::optional<double> json_get(const Json&, std::string_view, std::string_view);
extern template std::optional<std::string> json_get(const Json&, std::string_view,
                                                    std::string_view);

}  // namespace minim
