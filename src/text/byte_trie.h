// A read-only trie over byte strings: prefixes of a text that are tokens, in one walk.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace minim {

class ByteTrie {
 public:
  static constexpr int32_t kAbsent = -1;
  static constexpr int32_t kRoot = 0;

  struct Entry {
    std::string text;
    int32_t value;  // not negative
  };

  ByteTrie() : ByteTrie(std::vector<Entry>{}) {}
  // Empty strings are left out; of equal strings the first stays.
  explicit ByteTrie(std::vector<Entry> entries);

  bool empty() const { return nodes_.size() == 1; }

  // The node below `node` along `byte`, or kAbsent.
  int32_t step(int32_t node, uint8_t byte) const {
    if (node == kRoot) return root_[byte];
    const Node& from = nodes_[static_cast<size_t>(node)];
    const uint8_t* labels = labels_.data() + from.first_child;
    for (int32_t i = 0; i < from.child_count; ++i) {
      if (labels[i] == byte) return from.first_child + i;
    }
    return kAbsent;
  }

  // The value of the string that ends at `node`, or kAbsent.
  int32_t value(int32_t node) const { return nodes_[static_cast<size_t>(node)].value; }

  struct Match {
    size_t length = 0;  // 0: none
    int32_t value = kAbsent;
  };
  // The longest string that `text` begins with.
  Match longest_prefix(std::string_view text) const;

  size_t node_count() const { return nodes_.size(); }

 private:
  friend class SpecialTokenMatcher;
  struct Node {
    int32_t first_child = 0;
    int32_t child_count = 0;
    int32_t value = kAbsent;
  };

  // Children are consecutive nodes, so labels_[n] is the byte that leads to node n.
  std::vector<Node> nodes_;
  std::vector<uint8_t> labels_;
  std::array<int32_t, 256> root_;
};

}  // namespace minim
