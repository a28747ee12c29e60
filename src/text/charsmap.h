// SentencePiece's compiled normalizer: a map from byte strings to replacements, the longest match
// first, stored as a Darts double array (Yata's darts-clone) and a block of strings.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace minim {

class Charsmap {
 public:
  Charsmap() = default;
  // Layout: trie bytes (u32, little endian), that many bytes of u32 units, then strings that end
  // in NUL. Empty: no rules. Throws kFormat where the parts do not fit.
  explicit Charsmap(std::span<const uint8_t> blob);

  bool empty() const { return units_.empty(); }

  struct Match {
    size_t length = 0;  // of the text replaced
    std::string_view replacement;
  };
  // The longest rule for the beginning of `text`. Throws kFormat where the trie points outside.
  std::optional<Match> longest_prefix(std::string_view text) const;

 private:
  uint32_t unit(size_t index) const;

  std::vector<uint32_t> units_;
  std::vector<char> strings_;
};

}  // namespace minim
