// What SentencePiece's two models share: the normalizer, the pieces of one character, byte
// fallback, and where a text may be cut without changing its tokens (Kudo and Richardson, 2018).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/byte_trie.h"
#include "text/charsmap.h"
#include "text/utf8.h"
#include "text/vocabulary.h"

namespace minim {

inline constexpr std::string_view kSpaceMark = "\xE2\x96\x81";  // U+2581 stands for a space

// Each text may grow by this much in normalization, and some bytes more.
inline constexpr size_t kNormalizedGrowthMax = 32;

class SentencePieces {
 public:
  // Throws kFormat where there is no token for what no piece covers.
  // REQUIRES: `vocabulary` outlives this.
  explicit SentencePieces(const Vocabulary& vocabulary);

  // Applies the charsmap, the rules for spaces and, if `begins`, the space prefix, and writes
  // spaces as U+2581. User-defined tokens are left as they are. Bytes that are not UTF-8 stay where
  // byte tokens can write them and become U+FFFD elsewhere.
  std::string normalize(std::string_view text, bool begins) const;

  // The end of the first word of normalized text from `begin` on: words are cut where a space
  // follows something else and no piece reaches across.
  size_t word_end(std::string_view text, size_t begin) const;

  // Appends tokens for bytes that no piece covers: byte tokens, or the unknown token.
  void append_unknown(std::string_view bytes, std::vector<int32_t>& out) const;
  // Makes each run of unknown tokens from `begin` on one, as SentencePiece does.
  void fuse_unknown(size_t begin, std::vector<int32_t>& out) const;

  const ByteTrie& user_defined() const { return user_defined_; }
  bool has_bytes() const { return has_bytes_; }

  // Appends what a token writes: U+2581 as a space, byte tokens as their byte.
  void spell(int32_t id, std::string& out) const;

 private:
  void find_joined_spaces(std::string_view token);
  // Reads one unit of normalization from `text` at `at`, advances it and returns the replacement.
  std::string_view normalize_prefix(std::string_view text, size_t& at) const;

  const Vocabulary& vocabulary_;
  Charsmap charsmap_;
  ByteTrie user_defined_;  // with spaces as U+2581 and as they are
  std::array<int32_t, 256> byte_tokens_;
  bool has_bytes_ = false;             // all 256
  std::vector<char32_t> joins_space_;  // sorted: characters before a U+2581 inside some piece
};

}  // namespace minim
