// Eight floats: AVX2 with FMA and F16C.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "kernels/simd/attributes.h"

namespace minim::kernels::MINIM_ISA {
namespace {

// Row n has n leading lanes set.
alignas(32) constexpr int32_t kLaneMasks[9][8] = {
    {0, 0, 0, 0, 0, 0, 0, 0},        {-1, 0, 0, 0, 0, 0, 0, 0},
    {-1, -1, 0, 0, 0, 0, 0, 0},      {-1, -1, -1, 0, 0, 0, 0, 0},
    {-1, -1, -1, -1, 0, 0, 0, 0},    {-1, -1, -1, -1, -1, 0, 0, 0},
    {-1, -1, -1, -1, -1, -1, 0, 0},  {-1, -1, -1, -1, -1, -1, -1, 0},
    {-1, -1, -1, -1, -1, -1, -1, -1}};

// What each function means is said in scalar.h.
struct V {
  using F = __m256;
  using M = __m256;
  using I = __m256i;
  static constexpr int kLanes = 8;
  static constexpr int kPanelVectors = 2;  // 12 sums, 2 weights and 1 activation in 16 registers
  static constexpr int kTokenTile = 6;
  static constexpr int kTileVectors = 2;  // 6 dots, 6 sums, 2 weights and 1 activation
  static constexpr int kByteTileTokens = 3;
  static constexpr int kStreamTokens = 4;
  static constexpr int kStreamTokensMax = 8;

  MINIM_INLINE F zero() { return _mm256_setzero_ps(); }
  MINIM_INLINE F set(float x) { return _mm256_set1_ps(x); }
  MINIM_INLINE F load(const void* p) { return _mm256_loadu_ps(static_cast<const float*>(p)); }
  MINIM_INLINE F load_partial(const void* p, int n) {
    return _mm256_maskload_ps(static_cast<const float*>(p), lane_mask(n));
  }
  MINIM_INLINE void store(float* p, F a) { _mm256_storeu_ps(p, a); }
  MINIM_INLINE void store_partial(float* p, F a, int n) { _mm256_maskstore_ps(p, lane_mask(n), a); }

  MINIM_INLINE F load_half(const void* p) { return _mm256_cvtph_ps(load_16x8(p)); }
  MINIM_INLINE F load_half_partial(const void* p, int n) {
    return _mm256_cvtph_ps(load_16x8_partial(p, n));
  }
  MINIM_INLINE F load_bfloat16(const void* p) { return widen_bfloat16(load_16x8(p)); }
  MINIM_INLINE F load_bfloat16_partial(const void* p, int n) {
    return widen_bfloat16(load_16x8_partial(p, n));
  }
  MINIM_INLINE void store_half(void* p, F a) {
    const __m128i bits = _mm256_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    _mm_storeu_si128(static_cast<__m128i*>(p), bits);
  }
  MINIM_INLINE float half(uint16_t bits) { return _cvtsh_ss(bits); }
  MINIM_INLINE F load_i8(const int8_t* p) {
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(load_8x8(p)));
  }
  MINIM_INLINE F lookup16(const float* table, const int8_t* codes) {
    const __m256i index = _mm256_cvtepi8_epi32(load_8x8(codes));
    const F low = _mm256_permutevar8x32_ps(load(table), index);  // looks at the low three bits
    const F high = _mm256_permutevar8x32_ps(load(table + 8), index);
    return _mm256_blendv_ps(low, high, _mm256_castsi256_ps(_mm256_slli_epi32(index, 28)));
  }
  MINIM_INLINE void lookup_nibbles(const uint8_t* bytes, const int8_t* table, int8_t* low,
                                   int8_t* high) {
    const __m128i packed = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes));
    const __m128i levels = _mm_loadu_si128(reinterpret_cast<const __m128i*>(table));
    const __m128i nibble = _mm_set1_epi8(15);
    const __m128i upper = _mm_and_si128(_mm_srli_epi16(packed, 4), nibble);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(low),
                     _mm_shuffle_epi8(levels, _mm_and_si128(packed, nibble)));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(high), _mm_shuffle_epi8(levels, upper));
  }
  MINIM_INLINE void spread_bits(const uint8_t* bits, uint8_t value, uint8_t* out) {
    int32_t word;
    __builtin_memcpy(&word, bits, sizeof(word));
    // Byte i of the vector gets the byte of the word that has its bit, and keeps that bit.
    const __m256i source =
        _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
    const __m256i bit = _mm256_set1_epi64x(static_cast<int64_t>(0x8040201008040201u));
    const __m256i spread = _mm256_shuffle_epi8(_mm256_set1_epi32(word), source);
    const __m256i set = _mm256_cmpeq_epi8(_mm256_and_si256(spread, bit), bit);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out),
                        _mm256_and_si256(set, _mm256_set1_epi8(static_cast<char>(value))));
  }

  MINIM_INLINE F add(F a, F b) { return _mm256_add_ps(a, b); }
  MINIM_INLINE F sub(F a, F b) { return _mm256_sub_ps(a, b); }
  MINIM_INLINE F mul(F a, F b) { return _mm256_mul_ps(a, b); }
  MINIM_INLINE F div(F a, F b) { return _mm256_div_ps(a, b); }
  MINIM_INLINE F fma(F a, F b, F c) { return _mm256_fmadd_ps(a, b, c); }
  MINIM_INLINE F min(F a, F b) { return _mm256_min_ps(a, b); }
  MINIM_INLINE F max(F a, F b) { return _mm256_max_ps(a, b); }
  MINIM_INLINE F sqrt(F a) { return _mm256_sqrt_ps(a); }
  MINIM_INLINE F abs(F a) { return _mm256_andnot_ps(set(-0.0f), a); }
  MINIM_INLINE F copy_sign(F magnitude, F sign) {
    return _mm256_or_ps(abs(magnitude), _mm256_and_ps(set(-0.0f), sign));
  }
  MINIM_INLINE F round(F a) {
    return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  }
  MINIM_INLINE F floor(F a) { return _mm256_floor_ps(a); }
  MINIM_INLINE M less(F a, F b) { return _mm256_cmp_ps(a, b, _CMP_LT_OQ); }
  MINIM_INLINE F select(M mask, F yes, F no) { return _mm256_blendv_ps(no, yes, mask); }
  // Two steps, because 2^n itself may not be a normal number where the product is one.
  MINIM_INLINE F scale_by_power(F a, F n) {
    const __m256i whole = _mm256_cvtps_epi32(n);
    const __m256i half_of = _mm256_srai_epi32(whole, 1);
    return mul(mul(a, power_of_two(half_of)), power_of_two(_mm256_sub_epi32(whole, half_of)));
  }

  MINIM_INLINE float reduce_add(F a) {
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
  }
  MINIM_INLINE float reduce_max(F a) {
    const __m128 four = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
  }
  MINIM_INLINE F reduce_rows(const F* rows) {
    const F low = quarter_sums(rows);
    const F high = quarter_sums(rows + 4);
    return add(_mm256_permute2f128_ps(low, high, 0x20), _mm256_permute2f128_ps(low, high, 0x31));
  }
  MINIM_INLINE void transpose(const float* source, int64_t source_stride, float* target,
                              int64_t target_stride) {
    F pairs[8];
    F quads[8];
    MINIM_UNROLL
    for (int i = 0; i < 4; ++i) {
      const F even = load(source + 2 * i * source_stride);
      const F odd = load(source + (2 * i + 1) * source_stride);
      pairs[2 * i] = _mm256_unpacklo_ps(even, odd);
      pairs[2 * i + 1] = _mm256_unpackhi_ps(even, odd);
    }
    MINIM_UNROLL
    for (int i = 0; i < 2; ++i) {
      const F* p = pairs + 4 * i;
      quads[4 * i] = _mm256_shuffle_ps(p[0], p[2], 0x44);
      quads[4 * i + 1] = _mm256_shuffle_ps(p[0], p[2], 0xee);
      quads[4 * i + 2] = _mm256_shuffle_ps(p[1], p[3], 0x44);
      quads[4 * i + 3] = _mm256_shuffle_ps(p[1], p[3], 0xee);
    }
    MINIM_UNROLL
    for (int i = 0; i < 4; ++i) {
      store(target + i * target_stride, _mm256_permute2f128_ps(quads[i], quads[i + 4], 0x20));
      store(target + (i + 4) * target_stride, _mm256_permute2f128_ps(quads[i], quads[i + 4], 0x31));
    }
  }
  MINIM_INLINE void load_pairs(const float* p, F& even, F& odd) {
    const F low = load(p);
    const F high = load(p + 8);
    even = unmix(_mm256_shuffle_ps(low, high, 0x88));
    odd = unmix(_mm256_shuffle_ps(low, high, 0xdd));
  }
  MINIM_INLINE void store_pairs(float* p, F even, F odd) {
    const F low = _mm256_unpacklo_ps(even, odd);
    const F high = _mm256_unpackhi_ps(even, odd);
    store(p, _mm256_permute2f128_ps(low, high, 0x20));
    store(p + 8, _mm256_permute2f128_ps(low, high, 0x31));
  }

  MINIM_INLINE I zero_i() { return _mm256_setzero_si256(); }
  MINIM_INLINE I load_i(const void* p) {
    return _mm256_loadu_si256(static_cast<const __m256i*>(p));
  }
  MINIM_INLINE void store_i(void* p, I a) { _mm256_storeu_si256(static_cast<__m256i*>(p), a); }
  MINIM_INLINE I broadcast_i(const void* p) {
    int32_t bytes;
    __builtin_memcpy(&bytes, p, sizeof(bytes));
    return _mm256_set1_epi32(bytes);
  }
  MINIM_INLINE I mask_bytes(I a, uint8_t mask) {
    return _mm256_and_si256(a, _mm256_set1_epi8(static_cast<char>(mask)));
  }
  MINIM_INLINE I or_i(I a, I b) { return _mm256_or_si256(a, b); }
  MINIM_INLINE I flip_signs(I a) { return _mm256_xor_si256(a, _mm256_set1_epi8(-128)); }
  template <int kBits>
  MINIM_INLINE I shift_right(I a) {
    return kBits == 0 ? a : _mm256_srli_epi16(a, kBits);
  }
  template <int kBits>
  MINIM_INLINE I shift_left(I a) {
    return kBits == 0 ? a : _mm256_slli_epi16(a, kBits);
  }
  using Table = __m256i;
  MINIM_INLINE Table load_table(const uint8_t* table) {
    return _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(table)));
  }
  MINIM_INLINE I lookup_bytes(Table table, I index) { return _mm256_shuffle_epi8(table, index); }
  struct Narrow {
    __m256i pairs;
  };
  MINIM_INLINE Narrow zero_narrow() { return {zero_i()}; }
  MINIM_INLINE Narrow dot(Narrow sums, I weights, I x) {
    sums.pairs = _mm256_add_epi16(sums.pairs, _mm256_maddubs_epi16(weights, x));
    asm("" : MINIM_REGISTER(sums.pairs));  // or sums become trees, for which registers are few
    return sums;
  }
  MINIM_INLINE I add_narrow(I sums, Narrow narrow) {
    sums = _mm256_add_epi32(sums, _mm256_madd_epi16(narrow.pairs, _mm256_set1_epi16(1)));
    asm("" : MINIM_REGISTER(sums));
    return sums;
  }
#if defined(__AVXVNNI__)
  static constexpr bool kWideCodesSigned = false;
  static constexpr int kNarrowProducts = 0;
  MINIM_INLINE I dot(I sums, I weights, I x) { return _mm256_dpbusd_avx_epi32(sums, weights, x); }
#else
  // Two products of 7 and 8 bits fit in 16 bits; of codes above 127 they need not.
  static constexpr bool kWideCodesSigned = true;
  static constexpr int kNarrowProducts = 2;
  MINIM_INLINE I dot(I sums, I weights, I x) {
    return add_narrow(sums, {_mm256_maddubs_epi16(weights, x)});
  }
#endif
  template <typename Sums>
  MINIM_INLINE Sums dot_signed(Sums sums, I weights, I x) {
    return dot(sums, _mm256_abs_epi8(weights), _mm256_sign_epi8(x, weights));
  }
  MINIM_INLINE F float_i(I a) { return _mm256_cvtepi32_ps(a); }
  MINIM_INLINE F load_exponents(const uint8_t* p) {
    const __m128i bytes = load_8x8(reinterpret_cast<const int8_t*>(p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu8_epi32(bytes), 23));
  }
  MINIM_INLINE void store_i8(int8_t* p, F a) {
    const __m256i whole = _mm256_cvtps_epi32(a);
    const __m128i words =
        _mm_packs_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packs_epi16(words, words));
  }

 private:
  MINIM_INLINE __m256i lane_mask(int n) {
    return _mm256_load_si256(reinterpret_cast<const __m256i*>(kLaneMasks[n]));
  }
  MINIM_INLINE __m128i load_8x8(const int8_t* p) {
    return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
  }
  MINIM_INLINE __m128i load_16x8(const void* p) {
    return _mm_loadu_si128(static_cast<const __m128i*>(p));
  }
  MINIM_INLINE __m128i load_16x8_partial(const void* p, int n) {
    alignas(16) uint16_t lanes[8] = {};
    __builtin_memcpy(lanes, p, static_cast<size_t>(n) * sizeof(uint16_t));
    return _mm_load_si128(reinterpret_cast<const __m128i*>(lanes));
  }
  MINIM_INLINE F widen_bfloat16(__m128i bits) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
  }
  MINIM_INLINE F power_of_two(__m256i n) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23));
  }
  // Lane i of each half: the sum of that half of rows[i].
  MINIM_INLINE F quarter_sums(const F* rows) {
    return _mm256_hadd_ps(_mm256_hadd_ps(rows[0], rows[1]), _mm256_hadd_ps(rows[2], rows[3]));
  }
  // Puts the four pairs of a vector in the order 0, 2, 1, 3.
  MINIM_INLINE F unmix(F a) {
    return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(a), 0xd8));
  }
};

}  // namespace
}  // namespace minim::kernels::MINIM_ISA
