// Hash tables over byte strings: token text to token id, and the hash that the word cache shares.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace minim {

inline uint64_t load_bytes(const char* data, size_t count) {
  uint64_t value = 0;
  std::memcpy(&value, data, count);
  return value;
}

inline uint64_t mix_words(uint64_t a, uint64_t b) {
  const unsigned __int128 product =
      static_cast<unsigned __int128>(a ^ 0x9E3779B97F4A7C15) * (b ^ 0xD6E8FEB86659FD93);
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

// A 64-bit hash for tables in memory; its values are never stored.
inline uint64_t hash_bytes(std::string_view bytes) {
  const char* data = bytes.data();
  size_t left = bytes.size();
  uint64_t hash = left;
  for (; left > 16; data += 16, left -= 16) {
    hash = mix_words(hash ^ load_bytes(data, 8), load_bytes(data + 8, 8));
  }
  if (left >= 8) {
    return mix_words(hash ^ load_bytes(data, 8), load_bytes(data + left - 8, 8));
  }
  if (left >= 4) {
    return mix_words(hash ^ load_bytes(data, 4), load_bytes(data + left - 4, 4));
  }
  if (left == 0) return mix_words(hash, 0);
  const uint64_t first = static_cast<uint8_t>(data[0]);
  const uint64_t middle = static_cast<uint8_t>(data[left / 2]);
  const uint64_t last = static_cast<uint8_t>(data[left - 1]);
  return mix_words(hash, first | middle << 8 | last << 16);
}

// Maps strings to the ids given at insertion. Keeps views: the strings must outlive the table.
class TokenTable {
 public:
  static constexpr int32_t kAbsent = -1;

  TokenTable() : TokenTable(0) {}
  // Room for `count` strings.
  explicit TokenTable(size_t count)
      : slots_(std::bit_ceil(count * 2 + 2)), mask_(slots_.size() - 1) {}

  // The first of several equal strings stays. REQUIRES: at most `count` insertions.
  void insert(std::string_view text, int32_t id) {
    Slot& slot = slots_[find_slot(text)];
    if (slot.id == kAbsent) slot = {text, id};
  }

  int32_t find(std::string_view text) const { return slots_[find_slot(text)].id; }

 private:
  struct Slot {
    std::string_view text;
    int32_t id = kAbsent;
  };

  size_t find_slot(std::string_view text) const {
    size_t at = hash_bytes(text) & mask_;
    while (slots_[at].id != kAbsent && slots_[at].text != text) at = (at + 1) & mask_;
    return at;
  }

  std::vector<Slot> slots_;
  size_t mask_;
};

}  // namespace minim
