// YAML as a plain tree whose every node knows its line: what recipes are read from.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace minim::train {

struct YamlNode {
  enum class Kind { kNull, kScalar, kList, kMap };

  Kind kind = Kind::kNull;
  std::string scalar;
  bool quoted = false;          // a scalar in quotes is a text, whatever it looks like
  int line = 0;                 // 1 is the first
  std::vector<YamlNode> items;  // of a list
  std::vector<std::pair<std::string, YamlNode>> entries;  // of a map, in order, keys unique

  // The entry of a map, or null.
  const YamlNode* find(std::string_view key) const;
};

// Parses one document of YAML 1.2 by way of yaml-cpp. `origin` names it in messages. Throws
// kFormat with the line for what is no YAML, for a key that comes twice or is no scalar, and kLimit
// past 1 MiB, 64 levels, or 100,000 nodes (aliases are expanded).
YamlNode parse_yaml(const std::string& text, const std::string& origin);

}  // namespace minim::train
