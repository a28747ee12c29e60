// The vector of one float: kernels built on it are the specification of all others.
#pragma once

#include <array>
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
  using I = uint32_t;
  static constexpr int kLanes = 1;
  static constexpr int kPanelVectors = 4;  // a tile of a product: so many vectors of rows ...
  static constexpr int kTokenTile = 2;     // ... by so many tokens
  static constexpr int kTileVectors = 16;  // of a tile of products of bytes ...
  static constexpr int kByteTileTokens = 1;
  static constexpr int kStreamTokens = 1;     // that share one reading of packed weights
  static constexpr int kStreamTokensMax = 2;  // beyond it weights are widened first

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

  // Whole numbers: kLanes of 32 bits, or four bytes in each lane.
  MINIM_INLINE I zero_i() { return 0; }
  MINIM_INLINE I load_i(const void* p) {
    I bits;
    std::memcpy(&bits, p, sizeof(bits));
    return bits;
  }
  MINIM_INLINE void store_i(void* p, I a) { std::memcpy(p, &a, sizeof(a)); }
  // The four bytes at p in every lane.
  MINIM_INLINE I broadcast_i(const void* p) { return load_i(p); }
  // Each byte & mask.
  MINIM_INLINE I mask_bytes(I a, uint8_t mask) { return a & mask * 0x01010101u; }
  MINIM_INLINE I or_i(I a, I b) { return a | b; }
  // Each byte - 128, or + 128.
  MINIM_INLINE I flip_signs(I a) { return a ^ 0x80808080u; }
  // Shifts that may carry bits from one byte into the next: mask_bytes() comes after.
  template <int kBits>
  MINIM_INLINE I shift_right(I a) {
    return a >> kBits;
  }
  template <int kBits>
  MINIM_INLINE I shift_left(I a) {
    return a << kBits;
  }
  // Sixteen bytes for lookup_bytes(): byte b of the result is table[index byte b].
  using Table = const uint8_t*;
  MINIM_INLINE Table load_table(const uint8_t* table) { return table; }
  MINIM_INLINE I lookup_bytes(Table table, I index) {
    I found = 0;
    for (int i = 0; i < 32; i += 8) found |= I{table[index >> i & 15]} << i;
    return found;
  }
  // sums + the products of the four bytes of each lane: bytes of `weights` are unsigned, or signed
  // too in dot_signed(). Codes above 127 go the way that kWideCodesSigned says.
  static constexpr bool kWideCodesSigned = false;
  MINIM_INLINE I dot(I sums, I weights, I x) {
    for (int i = 0; i < 4; ++i) {
      sums += static_cast<I>(static_cast<int>(weights >> 8 * i & 255) * signed_byte(x, i));
    }
    return sums;
  }
  MINIM_INLINE I dot_signed(I sums, I weights, I x) {
    for (int i = 0; i < 4; ++i) {
      sums += static_cast<I>(signed_byte(weights, i) * signed_byte(x, i));
    }
    return sums;
  }
  // The same with sums of 16 bits, for processors where 32 bits cost more: each takes
  // kNarrowProducts of a lane's four products, and who calls this knows that none overflows. 0: 32
  // bits are as cheap.
  static constexpr int kNarrowProducts = 2;
  using Narrow = std::array<int16_t, 2>;
  MINIM_INLINE Narrow zero_narrow() { return {}; }
  MINIM_INLINE Narrow dot(Narrow sums, I weights, I x) {
    for (int i = 0; i < 4; ++i) {
      const int product = static_cast<int>(weights >> 8 * i & 255) * signed_byte(x, i);
      sums[i / 2] = static_cast<int16_t>(sums[i / 2] + product);
    }
    return sums;
  }
  MINIM_INLINE Narrow dot_signed(Narrow sums, I weights, I x) {
    for (int i = 0; i < 4; ++i) {
      const int product = signed_byte(weights, i) * signed_byte(x, i);
      sums[i / 2] = static_cast<int16_t>(sums[i / 2] + product);
    }
    return sums;
  }
  MINIM_INLINE I add_narrow(I sums, Narrow narrow) {
    return sums + static_cast<I>(narrow[0] + narrow[1]);
  }
  MINIM_INLINE F float_i(I a) { return static_cast<float>(static_cast<int32_t>(a)); }
  // 2^(p[lane] - 127), or 0 for 0.
  MINIM_INLINE F load_exponents(const uint8_t* p) {
    return load(std::array<uint32_t, 1>{uint32_t{*p} << 23}.data());
  }
  // kLanes bytes, of whole numbers in [-128, 127]; what NaN becomes is undefined.
  MINIM_INLINE void store_i8(int8_t* p, F a) { *p = static_cast<int8_t>(std::isnan(a) ? 0 : a); }

 private:
  MINIM_INLINE int signed_byte(I a, int i) { return static_cast<int8_t>(a >> 8 * i & 255); }
  MINIM_INLINE uint16_t load_bits(const void* p) {
    uint16_t bits;
    std::memcpy(&bits, p, sizeof(bits));
    return bits;
  }
};

}  // namespace
}  // namespace minim::kernels::MINIM_ISA
