// Finds the tokens that are written out in a text: control and user-defined tokens, leftmost first
// and the longest there. Linear in the text whatever the tokens are.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "text/byte_trie.h"

namespace minim {

struct SpecialMatch {
  size_t begin = 0;
  size_t length = 0;
  int32_t token = -1;
};

// Aho and Corasick (1975) over the reversed strings, run from the end of the text: at each place
// the automaton then knows the longest token that starts there.
class SpecialTokenMatcher {
 public:
  SpecialTokenMatcher() : SpecialTokenMatcher(std::vector<ByteTrie::Entry>{}) {}
  explicit SpecialTokenMatcher(std::vector<ByteTrie::Entry> tokens);

  bool empty() const { return trie_.empty(); }
  // Matches that do not overlap, in the order of the text.
  std::vector<SpecialMatch> find(std::string_view text) const;

 private:
  int32_t next_state(int32_t state, uint8_t byte) const;

  ByteTrie trie_;
  std::vector<int32_t> lengths_;  // by token
  std::vector<int32_t> failure_;  // by node: the longest proper suffix that is a node
  std::vector<int32_t> longest_;  // by node: the longest token that ends here, or -1
};

}  // namespace minim
