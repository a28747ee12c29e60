#include "text/byte_trie.h"

#include <algorithm>

namespace minim {

ByteTrie::ByteTrie(std::vector<Entry> entries) {
  std::stable_sort(entries.begin(), entries.end(),
                   [](const Entry& a, const Entry& b) { return a.text < b.text; });
  nodes_.push_back({});
  labels_.push_back(0);
  root_.fill(kAbsent);

  // Breadth first: each node owns a range of the sorted entries that share its prefix.
  struct Range {
    size_t begin, end;
  };
  std::vector<Range> ranges = {{0, entries.size()}};
  size_t level_begin = 0;
  for (size_t depth = 0; level_begin < nodes_.size(); ++depth) {
    const size_t level_end = nodes_.size();
    for (size_t node = level_begin; node < level_end; ++node) {
      auto [begin, end] = ranges[node];
      if (begin < end && entries[begin].text.size() == depth) {
        if (depth > 0) nodes_[node].value = entries[begin].value;
        while (begin < end && entries[begin].text.size() == depth) ++begin;
      }
      nodes_[node].first_child = static_cast<int32_t>(nodes_.size());
      while (begin < end) {
        const char label = entries[begin].text[depth];
        size_t next = begin + 1;
        while (next < end && entries[next].text[depth] == label) ++next;
        nodes_.push_back({});
        labels_.push_back(static_cast<uint8_t>(label));
        ranges.push_back({begin, next});
        ++nodes_[node].child_count;
        begin = next;
      }
    }
    level_begin = level_end;
  }
  for (int32_t i = 0; i < nodes_[0].child_count; ++i) {
    const int32_t child = nodes_[0].first_child + i;
    root_[labels_[static_cast<size_t>(child)]] = child;
  }
}

ByteTrie::Match ByteTrie::longest_prefix(std::string_view text) const {
  Match match;
  int32_t node = kRoot;
  for (size_t i = 0; i < text.size(); ++i) {
    node = step(node, static_cast<uint8_t>(text[i]));
    if (node == kAbsent) break;
    if (value(node) != kAbsent) match = {i + 1, value(node)};
  }
  return match;
}

}  // namespace minim
