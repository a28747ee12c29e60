#include "text/special_tokens.h"

#include <algorithm>

namespace minim {
namespace {

std::vector<ByteTrie::Entry> reversed(std::vector<ByteTrie::Entry> tokens) {
  for (ByteTrie::Entry& token : tokens) std::reverse(token.text.begin(), token.text.end());
  return tokens;
}

}  // namespace

SpecialTokenMatcher::SpecialTokenMatcher(std::vector<ByteTrie::Entry> tokens) {
  for (const ByteTrie::Entry& token : tokens) {
    const size_t index = static_cast<size_t>(token.value);
    if (index >= lengths_.size()) lengths_.resize(index + 1);
    lengths_[index] = static_cast<int32_t>(token.text.size());
  }
  trie_ = ByteTrie(reversed(std::move(tokens)));

  // Nodes are numbered breadth first, so a node's failure link is known before its children's.
  failure_.assign(trie_.node_count(), ByteTrie::kRoot);
  longest_.assign(trie_.node_count(), ByteTrie::kAbsent);
  for (size_t node = 0; node < trie_.node_count(); ++node) {
    const int32_t at = static_cast<int32_t>(node);
    const int32_t own = at == ByteTrie::kRoot ? ByteTrie::kAbsent : trie_.value(at);
    longest_[node] = own != ByteTrie::kAbsent ? own : longest_[static_cast<size_t>(failure_[node])];
    const ByteTrie::Node& from = trie_.nodes_[node];
    for (int32_t i = 0; i < from.child_count; ++i) {
      const size_t child = static_cast<size_t>(from.first_child + i);
      if (at != ByteTrie::kRoot) {
        failure_[child] = next_state(failure_[node], trie_.labels_[child]);
      }
    }
  }
}

int32_t SpecialTokenMatcher::next_state(int32_t state, uint8_t byte) const {
  while (true) {
    const int32_t next = trie_.step(state, byte);
    if (next != ByteTrie::kAbsent) return next;
    if (state == ByteTrie::kRoot) return ByteTrie::kRoot;
    state = failure_[static_cast<size_t>(state)];
  }
}

std::vector<SpecialMatch> SpecialTokenMatcher::find(std::string_view text) const {
  std::vector<SpecialMatch> matches;
  if (empty()) return matches;
  int32_t state = ByteTrie::kRoot;
  for (size_t i = text.size(); i-- > 0;) {
    state = next_state(state, static_cast<uint8_t>(text[i]));
    const int32_t token = longest_[static_cast<size_t>(state)];
    if (token != ByteTrie::kAbsent) {
      matches.push_back({i, static_cast<size_t>(lengths_[static_cast<size_t>(token)]), token});
    }
  }
  std::reverse(matches.begin(), matches.end());
  size_t kept = 0, end = 0;
  for (const SpecialMatch& match : matches) {
    if (match.begin < end) continue;
    matches[kept++] = match;
    end = match.begin + match.length;
  }
  matches.resize(kept);
  return matches;
}

}  // namespace minim
