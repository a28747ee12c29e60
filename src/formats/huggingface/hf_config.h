// config.json: typed access in which an absent key and null are the same.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>

#include "base/json.h"

namespace minim {

class HfConfig {
 public:
  HfConfig() : json_(Json::object()), origin_("config.json") {}
  // Throws kFormat where `json` is not an object. `origin` opens every message.
  HfConfig(Json json, std::string origin);

  const Json& json() const { return json_; }
  const std::string& origin() const { return origin_; }

  // Null where the key is absent or null.
  const Json* find(const char* key) const;
  std::optional<int64_t> integer(const char* key) const;
  std::optional<double> number(const char* key) const;
  std::optional<bool> boolean(const char* key) const;
  std::optional<std::string> text(const char* key) const;
  std::optional<HfConfig> object(const char* key) const;

  // A size: 1 to 2^31 - 1. The first key that is there counts; kFormat naming all where none is.
  int64_t require_size(std::initializer_list<const char*> keys) const;
  int64_t require_size(const char* key) const { return require_size({key}); }
  int64_t size_or(const char* key, int64_t absent) const;
  double require_number(const char* key) const;

  // kUnsupported, naming the key and its value, where it is there and something else.
  void expect_text(const char* key, std::initializer_list<const char*> supported) const;
  void expect_flag(const char* key, bool supported) const;

 private:
  Json json_;
  std::string origin_;
};

}  // namespace minim
