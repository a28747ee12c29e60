#include "train/recipe/yaml_tree.h"

#include <fmt/core.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>

#include "base/error.h"

namespace minim::train {
namespace {

constexpr size_t kBytesMax = size_t{1} << 20;
constexpr int kDepthMax = 64;
constexpr int kNodesMax = 100'000;

class TreeBuilder {
 public:
  explicit TreeBuilder(const std::string& origin) : origin_(origin) {}

  YamlNode build(const YAML::Node& node, int depth) {
    if (depth > kDepthMax || ++node_count_ > kNodesMax) {
      throw Error(ErrorCode::kLimit,
                  fmt::format("recipe: {}:{}: more than {} levels or {} nodes", origin_,
                              node.Mark().line + 1, kDepthMax, kNodesMax));
    }
    YamlNode made;
    made.line = node.Mark().line + 1;
    switch (node.Type()) {
      case YAML::NodeType::Undefined:
      case YAML::NodeType::Null: break;
      case YAML::NodeType::Scalar:
        made.kind = YamlNode::Kind::kScalar;
        made.scalar = node.Scalar();
        made.quoted = node.Tag() == "!";
        break;
      case YAML::NodeType::Sequence:
        made.kind = YamlNode::Kind::kList;
        for (const auto& item : node) made.items.push_back(build(item, depth + 1));
        break;
      case YAML::NodeType::Map:
        made.kind = YamlNode::Kind::kMap;
        for (const auto& entry : node) add_entry(entry.first, entry.second, depth, made);
        break;
    }
    return made;
  }

 private:
  void add_entry(const YAML::Node& key, const YAML::Node& value, int depth, YamlNode& map) {
    const int line = key.Mark().line + 1;
    if (!key.IsScalar()) {
      throw Error(ErrorCode::kFormat,
                  fmt::format("recipe: {}:{}: a key that is no plain word", origin_, line));
    }
    if (const YamlNode* before = map.find(key.Scalar())) {
      throw Error(ErrorCode::kFormat,
                  fmt::format("recipe: {}:{}: '{}' is there already, in line {}", origin_, line,
                              key.Scalar(), before->line));
    }
    YamlNode made = build(value, depth + 1);
    // An error about an entry is about the line that begins it.
    if (made.kind != YamlNode::Kind::kMap) made.line = line;
    map.entries.emplace_back(key.Scalar(), std::move(made));
  }

  const std::string& origin_;
  int node_count_ = 0;
};

}  // namespace

const YamlNode* YamlNode::find(std::string_view key) const {
  const auto found = std::find_if(entries.begin(), entries.end(),
                                  [&](const auto& entry) { return entry.first == key; });
  return found == entries.end() ? nullptr : &found->second;
}

YamlNode parse_yaml(const std::string& text, const std::string& origin) {
  if (text.size() > kBytesMax) {
    throw Error(ErrorCode::kLimit, fmt::format("recipe: {} has more than 1 MiB", origin));
  }
  YAML::Node root;
  try {
    root = YAML::Load(text);
  } catch (const YAML::Exception& error) {
    throw Error(ErrorCode::kFormat,
                fmt::format("recipe: {}:{}: {}", origin, error.mark.line + 1, error.msg));
  }
  return TreeBuilder(origin).build(root, 0);
}

}  // namespace minim::train
