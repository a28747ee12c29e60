// Four floats: the vectors that every 64-bit Arm processor has, with products of bytes where the
// compiler is told that it has those too.
#pragma once

#include <arm_neon.h>

#include <cstddef>
#include <cstdint>

#include "kernels/simd/attributes.h"

namespace minim::kernels::MINIM_ISA {
namespace {

// What each function means is said in scalar.h.
struct V {
  using F = float32x4_t;
  using M = uint32x4_t;
  using I = uint32x4_t;
  static constexpr int kLanes = 4;
  static constexpr int kPanelVectors = 4;  // 24 sums, 4 weights and 1 activation in 32 registers
  static constexpr int kTokenTile = 6;
#if defined(__ARM_FEATURE_MATMUL_INT8)
  static constexpr int kTileVectors = 8;  // four tiles of matmul_int8_pairs.inl.h
#else
  static constexpr int kTileVectors = 4;  // 12 dots and 12 sums, or 16 narrow dots and 8 sums;
#endif  // 4 weights and 1 activation
#if defined(__ARM_FEATURE_DOTPROD)
  static constexpr int kByteTileTokens = 3;
#else
  static constexpr int kByteTileTokens = 2;
#endif
  static constexpr int kStreamTokens = 4;
  static constexpr int kStreamTokensMax = 8;

  MINIM_INLINE F zero() { return vdupq_n_f32(0.0f); }
  MINIM_INLINE F set(float x) { return vdupq_n_f32(x); }
  MINIM_INLINE F load(const void* p) { return vreinterpretq_f32_u8(load_bytes(p)); }
  MINIM_INLINE F load_partial(const void* p, int n) {
    float lanes[4] = {};
    __builtin_memcpy(lanes, p, static_cast<size_t>(n) * sizeof(float));
    return vld1q_f32(lanes);
  }
  MINIM_INLINE void store(float* p, F a) { vst1q_f32(p, a); }
  MINIM_INLINE void store_partial(float* p, F a, int n) {
    float lanes[4];
    vst1q_f32(lanes, a);
    __builtin_memcpy(p, lanes, static_cast<size_t>(n) * sizeof(float));
  }

  MINIM_INLINE F load_half(const void* p) { return widen_half(load_16x4(p)); }
  MINIM_INLINE F load_half_partial(const void* p, int n) {
    return widen_half(load_16x4_partial(p, n));
  }
  MINIM_INLINE F load_bfloat16(const void* p) { return widen_bfloat16(load_16x4(p)); }
  MINIM_INLINE F load_bfloat16_partial(const void* p, int n) {
    return widen_bfloat16(load_16x4_partial(p, n));
  }
  MINIM_INLINE void store_half(void* p, F a) {
    const uint16x4_t bits = vreinterpret_u16_f16(vcvt_f16_f32(a));
    __builtin_memcpy(p, &bits, sizeof(bits));
  }
  MINIM_INLINE float half(uint16_t bits) { return vgetq_lane_f32(widen_half(vdup_n_u16(bits)), 0); }
  MINIM_INLINE F load_i8(const int8_t* p) {
    return vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(vreinterpret_s8_u8(load_8x4(p))))));
  }
  MINIM_INLINE F lookup16(const float* table, const int8_t* codes) {
    const float found[4] = {table[codes[0]], table[codes[1]], table[codes[2]], table[codes[3]]};
    return vld1q_f32(found);
  }
  MINIM_INLINE void lookup_nibbles(const uint8_t* bytes, const int8_t* table, int8_t* low,
                                   int8_t* high) {
    const uint8x16_t packed = vld1q_u8(bytes);
    const int8x16_t levels = vld1q_s8(table);
    vst1q_s8(low, vqtbl1q_s8(levels, vandq_u8(packed, vdupq_n_u8(15))));
    vst1q_s8(high, vqtbl1q_s8(levels, vshrq_n_u8(packed, 4)));
  }
  MINIM_INLINE void spread_bits(const uint8_t* bits, uint8_t value, uint8_t* out) {
    const uint8_t masks[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    for (int i = 0; i < 2; ++i) {
      const uint8x16_t spread = vcombine_u8(vdup_n_u8(bits[2 * i]), vdup_n_u8(bits[2 * i + 1]));
      vst1q_u8(out + 16 * i, vandq_u8(vtstq_u8(spread, vld1q_u8(masks)), vdupq_n_u8(value)));
    }
  }

  MINIM_INLINE F add(F a, F b) { return vaddq_f32(a, b); }
  MINIM_INLINE F sub(F a, F b) { return vsubq_f32(a, b); }
  MINIM_INLINE F mul(F a, F b) { return vmulq_f32(a, b); }
  MINIM_INLINE F div(F a, F b) { return vdivq_f32(a, b); }
  MINIM_INLINE F fma(F a, F b, F c) { return vfmaq_f32(c, a, b); }
  MINIM_INLINE F min(F a, F b) { return select(less(a, b), a, b); }
  MINIM_INLINE F max(F a, F b) { return select(less(b, a), a, b); }
  MINIM_INLINE F sqrt(F a) { return vsqrtq_f32(a); }
  MINIM_INLINE F abs(F a) { return vabsq_f32(a); }
  MINIM_INLINE F copy_sign(F magnitude, F sign) {
    return vbslq_f32(vdupq_n_u32(0x80000000u), sign, magnitude);
  }
  MINIM_INLINE F round(F a) { return vrndnq_f32(a); }
  MINIM_INLINE F floor(F a) { return vrndmq_f32(a); }
  MINIM_INLINE M less(F a, F b) { return vcltq_f32(a, b); }
  MINIM_INLINE F select(M mask, F yes, F no) { return vbslq_f32(mask, yes, no); }
  // Two steps, because 2^n itself may not be a normal number where the product is one.
  MINIM_INLINE F scale_by_power(F a, F n) {
    const int32x4_t whole = vcvtnq_s32_f32(n);
    const int32x4_t half_of = vshrq_n_s32(whole, 1);
    return mul(mul(a, power_of_two(half_of)), power_of_two(vsubq_s32(whole, half_of)));
  }

  MINIM_INLINE float reduce_add(F a) { return vaddvq_f32(a); }
  MINIM_INLINE float reduce_max(F a) { return vmaxvq_f32(a); }
  MINIM_INLINE F reduce_rows(const F* rows) {
    return vpaddq_f32(vpaddq_f32(rows[0], rows[1]), vpaddq_f32(rows[2], rows[3]));
  }
  MINIM_INLINE void transpose(const float* source, int64_t source_stride, float* target,
                              int64_t target_stride) {
    const float32x4x2_t a = vtrnq_f32(load(source), load(source + source_stride));
    const float32x4x2_t b =
        vtrnq_f32(load(source + 2 * source_stride), load(source + 3 * source_stride));
    for (int i = 0; i < 2; ++i) {
      store(target + i * target_stride,
            vcombine_f32(vget_low_f32(a.val[i]), vget_low_f32(b.val[i])));
      store(target + (i + 2) * target_stride,
            vcombine_f32(vget_high_f32(a.val[i]), vget_high_f32(b.val[i])));
    }
  }
  MINIM_INLINE void load_pairs(const float* p, F& even, F& odd) {
    const float32x4x2_t pairs = vld2q_f32(p);
    even = pairs.val[0];
    odd = pairs.val[1];
  }
  MINIM_INLINE void store_pairs(float* p, F even, F odd) {
    vst2q_f32(p, float32x4x2_t{{even, odd}});
  }

  MINIM_INLINE I zero_i() { return vdupq_n_u32(0); }
  MINIM_INLINE I load_i(const void* p) { return vreinterpretq_u32_u8(load_bytes(p)); }
  MINIM_INLINE void store_i(void* p, I a) {
    vst1q_u8(static_cast<uint8_t*>(p), vreinterpretq_u8_u32(a));
  }
  MINIM_INLINE I broadcast_i(const void* p) {
    uint32_t bytes;
    __builtin_memcpy(&bytes, p, sizeof(bytes));
    return vdupq_n_u32(bytes);
  }
  MINIM_INLINE I mask_bytes(I a, uint8_t mask) {
    return vandq_u32(a, vreinterpretq_u32_u8(vdupq_n_u8(mask)));
  }
  MINIM_INLINE I or_i(I a, I b) { return vorrq_u32(a, b); }
  MINIM_INLINE I flip_signs(I a) { return veorq_u32(a, vdupq_n_u32(0x80808080u)); }
  template <int kBits>
  MINIM_INLINE I shift_right(I a) {
    if constexpr (kBits == 0) return a;
    return vshrq_n_u32(a, kBits == 0 ? 1 : kBits);
  }
  template <int kBits>
  MINIM_INLINE I shift_left(I a) {
    return vshlq_n_u32(a, kBits);
  }
  using Table = uint8x16_t;
  MINIM_INLINE Table load_table(const uint8_t* table) { return vld1q_u8(table); }
  MINIM_INLINE I lookup_bytes(Table table, I index) {
    return vreinterpretq_u32_u8(vqtbl1q_u8(table, vreinterpretq_u8_u32(index)));
  }
  // All products are of signed bytes.
  static constexpr bool kWideCodesSigned = true;
  struct Narrow {
    int16x8_t low;  // of lanes 0 and 1
    int16x8_t high;
  };
  MINIM_INLINE Narrow zero_narrow() { return {vdupq_n_s16(0), vdupq_n_s16(0)}; }
  MINIM_INLINE Narrow dot_signed(Narrow sums, I weights, I x) {
    const int8x16_t a = vreinterpretq_s8_u32(weights);
    const int8x16_t b = vreinterpretq_s8_u32(x);
    return {vmlal_s8(sums.low, vget_low_s8(a), vget_low_s8(b)), vmlal_high_s8(sums.high, a, b)};
  }
  MINIM_INLINE I add_narrow(I sums, Narrow narrow) {
    const int32x4_t quads = vpaddq_s32(vpaddlq_s16(narrow.low), vpaddlq_s16(narrow.high));
    return vaddq_u32(sums, vreinterpretq_u32_s32(quads));
  }
#if defined(__ARM_FEATURE_DOTPROD)
  static constexpr int kNarrowProducts = 0;
  MINIM_INLINE I dot_signed(I sums, I weights, I x) {
    return vreinterpretq_u32_s32(vdotq_s32(vreinterpretq_s32_u32(sums),
                                           vreinterpretq_s8_u32(weights), vreinterpretq_s8_u32(x)));
  }
#else
  static constexpr int kNarrowProducts = 1;
  MINIM_INLINE I dot_signed(I sums, I weights, I x) {
    return add_narrow(sums, dot_signed(zero_narrow(), weights, x));
  }
#endif
  template <typename Sums>
  MINIM_INLINE Sums dot(Sums sums, I weights, I x) {
    return dot_signed(sums, weights, x);
  }
#if defined(__ARM_FEATURE_MATMUL_INT8)
  // sums + the products of two rows and two tokens, eight bytes of each in a vector: lane 2 r + t
  // is that of row r and token t.
  MINIM_INLINE I dot_pairs(I sums, I rows, I tokens) {
    return vreinterpretq_u32_s32(vmmlaq_s32(vreinterpretq_s32_u32(sums), vreinterpretq_s8_u32(rows),
                                            vreinterpretq_s8_u32(tokens)));
  }
  // The two lanes at p, twice.
  MINIM_INLINE I broadcast_pair(const void* p) {
    uint64_t lanes;
    __builtin_memcpy(&lanes, p, sizeof(lanes));
    return vreinterpretq_u32_u64(vdupq_n_u64(lanes));
  }
  // a[0], b[0], a[1], b[1], ...
  MINIM_INLINE void store_pairs(void* p, I a, I b) {
    vst2q_u32(static_cast<uint32_t*>(p), uint32x4x2_t{{a, b}});
  }
  MINIM_INLINE F even_lanes(F a, F b) { return vuzp1q_f32(a, b); }
  MINIM_INLINE F odd_lanes(F a, F b) { return vuzp2q_f32(a, b); }
#endif
#if defined(__ARM_FEATURE_BF16_VECTOR_ARITHMETIC)
  // sums + the products of the two bfloat16 of each lane.
  MINIM_INLINE F dot_bfloat16(F sums, I a, I b) {
    return vbfdotq_f32(sums, vreinterpretq_bf16_u32(a), vreinterpretq_bf16_u32(b));
  }
  // The values of `low`, then those of `high`, rounded to bfloat16.
  MINIM_INLINE I to_bfloat16(F low, F high) {
    return vreinterpretq_u32_bf16(vcvtq_high_bf16_f32(vcvtq_low_bf16_f32(low), high));
  }
#endif
  MINIM_INLINE F float_i(I a) { return vcvtq_f32_s32(vreinterpretq_s32_u32(a)); }
  MINIM_INLINE F load_exponents(const uint8_t* p) {
    const uint32x4_t wide = vmovl_u16(vget_low_u16(vmovl_u8(load_8x4(p))));
    return vreinterpretq_f32_u32(vshlq_n_u32(wide, 23));
  }
  MINIM_INLINE void store_i8(int8_t* p, F a) {
    const int16x4_t words = vqmovn_s32(vcvtnq_s32_f32(a));
    const int8x8_t bytes = vqmovn_s16(vcombine_s16(words, words));
    __builtin_memcpy(p, &bytes, 4);
  }

 private:
  MINIM_INLINE uint8x16_t load_bytes(const void* p) {
    return vld1q_u8(static_cast<const uint8_t*>(p));
  }
  MINIM_INLINE uint8x8_t load_8x4(const void* p) {
    uint32_t bytes;
    __builtin_memcpy(&bytes, p, sizeof(bytes));
    return vreinterpret_u8_u32(vdup_n_u32(bytes));
  }
  MINIM_INLINE uint16x4_t load_16x4(const void* p) {
    uint16x4_t bits;
    __builtin_memcpy(&bits, p, sizeof(bits));
    return bits;
  }
  MINIM_INLINE uint16x4_t load_16x4_partial(const void* p, int n) {
    uint16_t lanes[4] = {};
    __builtin_memcpy(lanes, p, static_cast<size_t>(n) * sizeof(uint16_t));
    return vld1_u16(lanes);
  }
  MINIM_INLINE F widen_half(uint16x4_t bits) { return vcvt_f32_f16(vreinterpret_f16_u16(bits)); }
  MINIM_INLINE F widen_bfloat16(uint16x4_t bits) {
    return vreinterpretq_f32_u32(vshll_n_u16(bits, 16));
  }
  MINIM_INLINE F power_of_two(int32x4_t n) {
    return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(n, vdupq_n_s32(127)), 23));
  }
};

}  // namespace
}  // namespace minim::kernels::MINIM_ISA
