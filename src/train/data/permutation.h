// A shuffle of [0, size) that knows every place of it without having made the ones before.
#pragma once

#include <cstdint>

namespace minim::train {

// A Feistel network of eight rounds over the smallest even number of bits that holds `size`, walked
// until it stays in range (Black and Rogaway, 2002: "cycle walking"), so that a place costs fewer
// than four passes on average. The same seed and size give the same shuffle everywhere.
class Permutation {
 public:
  // REQUIRES: 1 <= size < 2^62.
  Permutation(uint64_t size, uint64_t seed);

  uint64_t size() const { return size_; }
  // The element at `place`; every element is at one place. REQUIRES: place < size.
  uint64_t at(uint64_t place) const;

 private:
  static constexpr int kRounds = 8;

  uint64_t size_;
  int half_bits_;
  uint64_t keys_[kRounds];
};

}  // namespace minim::train
