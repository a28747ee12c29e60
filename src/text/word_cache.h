// Remembers the words that one call of encode() has met, so that each is merged once.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <string_view>
#include <vector>

#include "text/token_table.h"

namespace minim {

// Lives as long as one text. It stores places only: where in the text a word stands and where in
// the output its tokens are. A fixed table in which a new word replaces an old one: bounded, and
// colliding words cost time, not correctness.
class WordCache {
 public:
  // `text` holds every word that will be asked for.
  explicit WordCache(std::string_view text)
      : text_(text),
        entries_(std::bit_ceil(std::clamp<size_t>(text.size() / 8, 16, kEntriesMax))) {}

  // Calls `encode(word)`, which appends the word's tokens to `out`, or copies them from the last
  // time. REQUIRES: `word` lies within the text; `out` is only ever appended to.
  template <typename Encode>
  void replay_or(std::string_view word, std::vector<int32_t>& out, Encode encode) {
    const size_t begin = out.size();
    if (word.size() > kWordBytesMax) {
      encode(word);
      return;
    }
    Entry& entry = entries_[hash_bytes(word) & (entries_.size() - 1)];
    if (entry.length == word.size() && text_.substr(entry.place, entry.length) == word) {
      out.resize(begin + entry.token_count);
      std::copy_n(out.begin() + static_cast<std::ptrdiff_t>(entry.tokens), entry.token_count,
                  out.begin() + static_cast<std::ptrdiff_t>(begin));
      return;
    }
    encode(word);
    entry = {static_cast<uint32_t>(word.data() - text_.data()), static_cast<uint32_t>(word.size()),
             begin, static_cast<uint32_t>(out.size() - begin)};
  }

 private:
  static constexpr size_t kEntriesMax = 1 << 15;
  static constexpr size_t kWordBytesMax = 128;

  struct Entry {
    uint32_t place = 0, length = 0;  // length 0: free
    uint64_t tokens = 0;
    uint32_t token_count = 0;
  };

  std::string_view text_;
  std::vector<Entry> entries_;
};

}  // namespace minim
