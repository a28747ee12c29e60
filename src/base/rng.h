// Random numbers that are the same everywhere: xoshiro256** (Blackman and Vigna, 2018), seeded by
// SplitMix64.
#pragma once

#include <cstdint>

namespace minim {

class Rng {
 public:
  explicit Rng(uint64_t seed);

  uint64_t next();
  // Uniform in [0, 1) with 24 bits.
  float uniform() { return static_cast<float>(next() >> 40) * 0x1p-24f; }
  // Uniform in [0, bound). REQUIRES: bound > 0.
  uint64_t below(uint64_t bound);
  // Mean 0, variance 1 (Box-Muller).
  float normal();

 private:
  uint64_t state_[4];
};

// A well mixed 64-bit hash of `value`: gives independent streams for (seed, index) pairs.
uint64_t mix_bits(uint64_t value);

}  // namespace minim
