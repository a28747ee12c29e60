// Sixteen floats: AVX-512 with BW, DQ and VL.
#pragma once

// GCC 12 takes the undefined vectors inside its own intrinsics for variables of ours.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#include <cstddef>
#include <cstdint>

#include "kernels/simd/attributes.h"

namespace minim::kernels::MINIM_ISA {
namespace {

// What each function means is said in scalar.h.
struct V {
  using F = __m512;
  using M = __mmask16;
  using I = __m512i;
  static constexpr int kLanes = 16;
  static constexpr int kPanelVectors = 2;  // 24 sums, 2 weights and 1 activation in 32 registers
  static constexpr int kTokenTile = 12;
  static constexpr int kTileVectors = 2;  // 12 dots, 12 sums, 2 weights and 1 activation
  static constexpr int kByteTileTokens = 6;
  static constexpr int kStreamTokens = 8;
  static constexpr int kStreamTokensMax = 16;

  MINIM_INLINE F zero() { return _mm512_setzero_ps(); }
  MINIM_INLINE F set(float x) { return _mm512_set1_ps(x); }
  MINIM_INLINE F load(const void* p) { return _mm512_loadu_ps(p); }
  MINIM_INLINE F load_partial(const void* p, int n) {
    return _mm512_maskz_loadu_ps(lane_mask(n), p);
  }
  MINIM_INLINE void store(float* p, F a) { _mm512_storeu_ps(p, a); }
  MINIM_INLINE void store_partial(float* p, F a, int n) {
    _mm512_mask_storeu_ps(p, lane_mask(n), a);
  }

  MINIM_INLINE F load_half(const void* p) { return _mm512_cvtph_ps(load_16x16(p)); }
  MINIM_INLINE F load_half_partial(const void* p, int n) {
    return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(lane_mask(n), p));
  }
  MINIM_INLINE F load_bfloat16(const void* p) { return widen_bfloat16(load_16x16(p)); }
  MINIM_INLINE F load_bfloat16_partial(const void* p, int n) {
    return widen_bfloat16(_mm256_maskz_loadu_epi16(lane_mask(n), p));
  }
  MINIM_INLINE void store_half(void* p, F a) {
    const __m256i bits = _mm512_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    _mm256_storeu_si256(static_cast<__m256i*>(p), bits);
  }
  MINIM_INLINE float half(uint16_t bits) { return _cvtsh_ss(bits); }
  MINIM_INLINE F load_i8(const int8_t* p) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(load_8x16(p)));
  }
  MINIM_INLINE F lookup16(const float* table, const int8_t* codes) {
    return _mm512_permutexvar_ps(_mm512_cvtepi8_epi32(load_8x16(codes)), load(table));
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
    uint32_t mask;
    __builtin_memcpy(&mask, bits, sizeof(mask));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out),
                        _mm256_maskz_set1_epi8(mask, static_cast<char>(value)));
  }

  MINIM_INLINE F add(F a, F b) { return _mm512_add_ps(a, b); }
  MINIM_INLINE F sub(F a, F b) { return _mm512_sub_ps(a, b); }
  MINIM_INLINE F mul(F a, F b) { return _mm512_mul_ps(a, b); }
  MINIM_INLINE F div(F a, F b) { return _mm512_div_ps(a, b); }
  MINIM_INLINE F fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
  MINIM_INLINE F min(F a, F b) { return _mm512_min_ps(a, b); }
  MINIM_INLINE F max(F a, F b) { return _mm512_max_ps(a, b); }
  MINIM_INLINE F sqrt(F a) { return _mm512_sqrt_ps(a); }
  MINIM_INLINE F abs(F a) { return _mm512_abs_ps(a); }
  MINIM_INLINE F copy_sign(F magnitude, F sign) {
    return _mm512_or_ps(abs(magnitude), _mm512_and_ps(set(-0.0f), sign));
  }
  MINIM_INLINE F round(F a) {
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  }
  MINIM_INLINE F floor(F a) {
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
  }
  MINIM_INLINE M less(F a, F b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
  MINIM_INLINE F select(M mask, F yes, F no) { return _mm512_mask_blend_ps(mask, no, yes); }
  MINIM_INLINE F scale_by_power(F a, F n) { return _mm512_scalef_ps(a, n); }

  MINIM_INLINE float reduce_add(F a) {
    const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
  }
  MINIM_INLINE float reduce_max(F a) {
    const __m256 eight = _mm256_max_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
    const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
  }
  MINIM_INLINE F reduce_rows(const F* rows) {
    F columns[16];
    transpose_registers(rows, columns);
    MINIM_UNROLL
    for (int i = 0; i < 8; ++i) columns[i] = add(columns[i], columns[i + 8]);
    MINIM_UNROLL
    for (int i = 0; i < 4; ++i) columns[i] = add(columns[i], columns[i + 4]);
    return add(add(columns[0], columns[2]), add(columns[1], columns[3]));
  }
  MINIM_INLINE void transpose(const float* source, int64_t source_stride, float* target,
                              int64_t target_stride) {
    F rows[16];
    F columns[16];
    MINIM_UNROLL
    for (int i = 0; i < 16; ++i) rows[i] = load(source + i * source_stride);
    transpose_registers(rows, columns);
    MINIM_UNROLL
    for (int i = 0; i < 16; ++i) store(target + i * target_stride, columns[i]);
  }
  MINIM_INLINE void load_pairs(const float* p, F& even, F& odd) {
    const F low = load(p);
    const F high = load(p + 16);
    const __m512i first =
        _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    even = _mm512_permutex2var_ps(low, first, high);
    odd = _mm512_permutex2var_ps(low, _mm512_add_epi32(first, _mm512_set1_epi32(1)), high);
  }
  MINIM_INLINE void store_pairs(float* p, F even, F odd) {
    const __m512i low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const __m512i high = _mm512_add_epi32(low, _mm512_set1_epi32(8));
    store(p, _mm512_permutex2var_ps(even, low, odd));
    store(p + 16, _mm512_permutex2var_ps(even, high, odd));
  }

  MINIM_INLINE I zero_i() { return _mm512_setzero_si512(); }
  MINIM_INLINE I load_i(const void* p) { return _mm512_loadu_si512(p); }
  MINIM_INLINE void store_i(void* p, I a) { _mm512_storeu_si512(p, a); }
  MINIM_INLINE I broadcast_i(const void* p) {
    int32_t bytes;
    __builtin_memcpy(&bytes, p, sizeof(bytes));
    return _mm512_set1_epi32(bytes);
  }
  MINIM_INLINE I mask_bytes(I a, uint8_t mask) {
    return _mm512_and_si512(a, _mm512_set1_epi8(static_cast<char>(mask)));
  }
  MINIM_INLINE I or_i(I a, I b) { return _mm512_or_si512(a, b); }
  MINIM_INLINE I flip_signs(I a) { return _mm512_xor_si512(a, _mm512_set1_epi8(-128)); }
  template <int kBits>
  MINIM_INLINE I shift_right(I a) {
    return kBits == 0 ? a : _mm512_srli_epi16(a, kBits);
  }
  template <int kBits>
  MINIM_INLINE I shift_left(I a) {
    return kBits == 0 ? a : _mm512_slli_epi16(a, kBits);
  }
  using Table = __m512i;
  MINIM_INLINE Table load_table(const uint8_t* table) {
    return _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(table)));
  }
  MINIM_INLINE I lookup_bytes(Table table, I index) { return _mm512_shuffle_epi8(table, index); }
  struct Narrow {
    __m512i pairs;
  };
  MINIM_INLINE Narrow zero_narrow() { return {zero_i()}; }
  MINIM_INLINE Narrow dot(Narrow sums, I weights, I x) {
    sums.pairs = _mm512_add_epi16(sums.pairs, _mm512_maddubs_epi16(weights, x));
    asm("" : MINIM_REGISTER(sums.pairs));  // or sums become trees, for which registers are few
    return sums;
  }
  MINIM_INLINE I add_narrow(I sums, Narrow narrow) {
    sums = _mm512_add_epi32(sums, _mm512_madd_epi16(narrow.pairs, _mm512_set1_epi16(1)));
    asm("" : MINIM_REGISTER(sums));
    return sums;
  }
#if defined(__AVX512VNNI__)
  static constexpr bool kWideCodesSigned = false;
  static constexpr int kNarrowProducts = 0;
  MINIM_INLINE I dot(I sums, I weights, I x) { return _mm512_dpbusd_epi32(sums, weights, x); }
#else
  // Two products of 7 and 8 bits fit in 16 bits; of codes above 127 they need not.
  static constexpr bool kWideCodesSigned = true;
  static constexpr int kNarrowProducts = 2;
  MINIM_INLINE I dot(I sums, I weights, I x) {
    return add_narrow(sums, {_mm512_maddubs_epi16(weights, x)});
  }
#endif
  template <typename Sums>
  MINIM_INLINE Sums dot_signed(Sums sums, I weights, I x) {
    return dot(sums, _mm512_abs_epi8(weights), negate_like(x, weights));
  }
#if defined(__AVX512BF16__)
  // sums + the products of the two bfloat16 of each lane.
  MINIM_INLINE F dot_bfloat16(F sums, I a, I b) {
    return _mm512_dpbf16_ps(sums, (__m512bh)a, (__m512bh)b);
  }
  // The values of `low`, then those of `high`, rounded to bfloat16.
  MINIM_INLINE I to_bfloat16(F low, F high) { return (__m512i)_mm512_cvtne2ps_pbh(high, low); }
#endif
  MINIM_INLINE F float_i(I a) { return _mm512_cvtepi32_ps(a); }
  MINIM_INLINE F load_exponents(const uint8_t* p) {
    const __m128i bytes = load_8x16(reinterpret_cast<const int8_t*>(p));
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu8_epi32(bytes), 23));
  }
  MINIM_INLINE void store_i8(int8_t* p, F a) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(a)));
  }

 private:
  MINIM_INLINE __mmask16 lane_mask(int n) { return static_cast<__mmask16>((1u << n) - 1u); }
  MINIM_INLINE __m128i load_8x16(const int8_t* p) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  }
  MINIM_INLINE __m256i load_16x16(const void* p) {
    return _mm256_loadu_si256(static_cast<const __m256i*>(p));
  }
  MINIM_INLINE F widen_bfloat16(__m256i bits) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
  }
  MINIM_INLINE __m512i negate_like(__m512i x, __m512i sign) {
    return _mm512_mask_sub_epi8(x, _mm512_movepi8_mask(sign), _mm512_setzero_si512(), x);
  }
  // 4x4 blocks within the quarters of the registers first, then the quarters themselves.
  MINIM_INLINE void transpose_registers(const F* rows, F* columns) {
    F quads[16];
    MINIM_UNROLL
    for (int i = 0; i < 16; i += 4) {
      const F a = _mm512_unpacklo_ps(rows[i], rows[i + 1]);
      const F b = _mm512_unpackhi_ps(rows[i], rows[i + 1]);
      const F c = _mm512_unpacklo_ps(rows[i + 2], rows[i + 3]);
      const F d = _mm512_unpackhi_ps(rows[i + 2], rows[i + 3]);
      quads[i] = _mm512_shuffle_ps(a, c, 0x44);
      quads[i + 1] = _mm512_shuffle_ps(a, c, 0xee);
      quads[i + 2] = _mm512_shuffle_ps(b, d, 0x44);
      quads[i + 3] = _mm512_shuffle_ps(b, d, 0xee);
    }
    MINIM_UNROLL
    for (int i = 0; i < 4; ++i) {
      const F a = _mm512_shuffle_f32x4(quads[i], quads[i + 4], 0x88);
      const F b = _mm512_shuffle_f32x4(quads[i], quads[i + 4], 0xdd);
      const F c = _mm512_shuffle_f32x4(quads[i + 8], quads[i + 12], 0x88);
      const F d = _mm512_shuffle_f32x4(quads[i + 8], quads[i + 12], 0xdd);
      columns[i] = _mm512_shuffle_f32x4(a, c, 0x88);
      columns[i + 4] = _mm512_shuffle_f32x4(b, d, 0x88);
      columns[i + 8] = _mm512_shuffle_f32x4(a, c, 0xdd);
      columns[i + 12] = _mm512_shuffle_f32x4(b, d, 0xdd);
    }
  }
};

}  // namespace
}  // namespace minim::kernels::MINIM_ISA
