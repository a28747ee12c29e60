#include "train/data/permutation.h"

#include <algorithm>
#include <bit>

#include "base/error.h"
#include "base/rng.h"

namespace minim::train {

Permutation::Permutation(uint64_t size, uint64_t seed) : size_(size) {
  MINIM_CHECK(size >= 1 && size < uint64_t{1} << 62);
  half_bits_ = std::max(static_cast<int>(std::bit_width(size - 1) + 1) / 2, 1);
  Rng rng(seed);
  for (uint64_t& key : keys_) key = rng.next();
}

uint64_t Permutation::at(uint64_t place) const {
  MINIM_DCHECK(place < size_);
  const uint64_t mask = (uint64_t{1} << half_bits_) - 1;
  do {
    uint64_t left = place >> half_bits_, right = place & mask;
    for (const uint64_t key : keys_) {
      const uint64_t next = left ^ (mix_bits(right ^ key) & mask);
      left = right;
      right = next;
    }
    place = left << half_bits_ | right;
  } while (place >= size_);
  return place;
}

}  // namespace minim::train
