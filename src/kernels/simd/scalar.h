// The vector of one float: kernels built on it are the specification of all others.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "base/half.h"
#include "kernels/simd/attributes.h"

namespace minim::kernels::MINIM_ISA {
namespace {

struct V {
  using F = float;
  using M = bool;
  static constexpr int kLanes = 1;
  static constexpr int kPanelVectors = 4;  // a tile of a product: so many vectors of rows ...
  static constexpr int kTokenTile = 2;     // ... by so many tokens

  MINIM_INLINE F zero() { return 0.0f; }
  MINIM_INLINE F set(float x) { return x; }
  MINIM_INLINE F load(const void* p) {
    float x;
    std::memcpy(&x, p, sizeof(x));
    return x;
  }
  MINIM_INLINE F load_partial(const void* p, int) { return load(p); }
  MINIM_INLINE void store(float* p, F a) { *p = a; }
  MINIM_INLINE void store_partial(float* p, F a, int) { *p = a; }

  MINIM_INLINE F load_half(const void* p) { return half_to_float(load_bits(p)); }
  MINIM_INLINE F load_half_partial(const void* p, int) { return load_half(p); }
  MINIM_INLINE F load_bfloat16(const void* p) { return bfloat16_to_float(load_bits(p)); }
  MINIM_INLINE F load_bfloat16_partial(const void* p, int) { return load_bfloat16(p); }
  MINIM_INLINE void store_half(void* p, F a) {
    const uint16_t bits = float_to_half(a);
    std::memcpy(p, &bits, sizeof(bits));
  }
  MINIM_INLINE float half(uint16_t bits) { return half_to_float(bits); }
  MINIM_INLINE F load_i8(const int8_t* p) { return static_cast<float>(*p); }
  // table[codes[lane]] of 16 floats. REQUIRES: codes in [0, 16).
  MINIM_INLINE F lookup16(const float* table, const int8_t* codes) { return table[*codes]; }

  // low[i] = table[low nibble of bytes[i]] and high[i] likewise, for 16 bytes.
  MINIM_INLINE void lookup_nibbles(const uint8_t* bytes, const int8_t* table, int8_t* low,
                                   int8_t* high) {
    for (int i = 0; i < 16; ++i) {
      low[i] = table[bytes[i] & 15];
      high[i] = table[bytes[i] >> 4];
    }
  }
  // out[i] = value where bit i of the four bytes is set, else 0, for 32 bytes.
  MINIM_INLINE void spread_bits(const uint8_t* bits, uint8_t value, uint8_t* out) {
    for (int i = 0; i < 32; ++i) out[i] = bits[i / 8] >> (i % 8) & 1 ? value : uint8_t{0};
  }

  MINIM_INLINE F add(F a, F b) { return a + b; }
  MINIM_INLINE F sub(F a, F b) { return a - b; }
  MINIM_INLINE F mul(F a, F b) { return a * b; }
  MINIM_INLINE F div(F a, F b) { return a / b; }
  // a * b + c rounded once: the product of two floats is exact in a double.
  MINIM_INLINE F fma(F a, F b, F c) {
    return static_cast<float>(static_cast<double>(a) * static_cast<double>(b) +
                              static_cast<double>(c));
  }
  // Where either is NaN: b.
  MINIM_INLINE F min(F a, F b) { return a < b ? a : b; }
  MINIM_INLINE F max(F a, F b) { return a > b ? a : b; }
  MINIM_INLINE F sqrt(F a) { return std::sqrt(a); }
  MINIM_INLINE F abs(F a) { return std::fabs(a); }
  MINIM_INLINE F copy_sign(F magnitude, F sign) { return std::copysign(magnitude, sign); }
  // To the nearest whole number, ties to even. REQUIRES: |a| < 2^22.
  MINIM_INLINE F round(F a) { return std::nearbyint(a); }
  MINIM_INLINE F floor(F a) { return std::floor(a); }
  MINIM_INLINE M less(F a, F b) { return a < b; }
  MINIM_INLINE F select(M mask, F yes, F no) { return mask ? yes : no; }
  // a * 2^n for whole n, with gradual underflow. REQUIRES: |n| <= 250.
  MINIM_INLINE F scale_by_power(F a, F n) {
    return std::ldexp(a, std::isnan(n) ? 0 : static_cast<int>(n));
  }

  MINIM_INLINE float reduce_add(F a) { return a; }
  MINIM_INLINE float reduce_max(F a) { return a; }
  // Lane i of the result is the sum of the lanes of rows[i]. REQUIRES: kLanes rows.
  MINIM_INLINE F reduce_rows(const F* rows) { return rows[0]; }
  // target[c * target_stride + r] = source[r * source_stride + c] for r, c < kLanes.
  MINIM_INLINE void transpose(const float* source, int64_t, float* target, int64_t) {
    *target = *source;
  }
  // p[0], p[1], p[2], ... = even[0], odd[0], even[1], ...
  MINIM_INLINE void load_pairs(const float* p, F& even, F& odd) {
    even = p[0];
    odd = p[1];
  }
  MINIM_INLINE void store_pairs(float* p, F even, F odd) {
    p[0] = even;
    p[1] = odd;
  }

 private:
  MINIM_INLINE uint16_t load_bits(const void* p) {
    uint16_t bits;
    std::memcpy(&bits, p, sizeof(bits));
    return bits;
  }
};

}  // namespace
}  // namespace minim::kernels::MINIM_ISA
