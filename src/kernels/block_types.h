// How quantized weights lie in memory, byte by byte. Everything here but NF4 is the layout of GGUF
// files; NF4 is minim's own (docs/formats/nf4.md). Little-endian; only data, no code, so that the
// files of every instruction set may include it.
#pragma once

#include <cstdint>

namespace minim::kernels {

constexpr int kBlock32 = 32;  // values of a simple block
constexpr int kNf4BlockValues = 64;
constexpr int kSuperBlock = 256;  // values of a super-block: 8 or 16 groups that share a scale

// The bits of an IEEE half (base/half.h converts).
using HalfBits = uint16_t;

// Packed: a tensor may begin at any byte of a mapped file, so no block may assume an alignment.
#pragma pack(push, 1)

// ---- simple blocks of 32 values: x[i] -------------------------------------------------------
// Nibbles: the low half of codes[i] belongs to x[i], the high half to x[i + 16].

// x = scale * code                                    8.5 bits a value
//  0       2                                34
//  | scale | code 0 ... code 31 (signed)    |
struct BlockQ8_0 {
  HalfBits scale;
  int8_t codes[32];
};
static_assert(sizeof(BlockQ8_0) == 34);

// x = scale * (code - 8)                              4.5 bits a value
//  0       2              3              18
//  | scale | x16 : x0     | x17 : x1 ... |            (high nibble : low nibble)
struct BlockQ4_0 {
  HalfBits scale;
  uint8_t codes[16];
};
static_assert(sizeof(BlockQ4_0) == 18);

// x = scale * code + minimum                          5 bits a value
//  0       2         4                   20
//  | scale | minimum | nibbles, as Q4_0  |
struct BlockQ4_1 {
  HalfBits scale;
  HalfBits minimum;
  uint8_t codes[16];
};
static_assert(sizeof(BlockQ4_1) == 20);

// x = scale * (code - 16), code = nibble | fifth bit << 4          5.5 bits a value
//  0       2                         6                   22
//  | scale | bit i: fifth bit of x i | nibbles, as Q4_0  |
struct BlockQ5_0 {
  HalfBits scale;
  uint8_t high_bits[4];
  uint8_t codes[16];
};
static_assert(sizeof(BlockQ5_0) == 22);

// x = scale * code + minimum, code as Q5_0            6 bits a value
//  0       2         4                         8                   24
//  | scale | minimum | bit i: fifth bit of x i | nibbles, as Q4_0  |
struct BlockQ5_1 {
  HalfBits scale;
  HalfBits minimum;
  uint8_t high_bits[4];
  uint8_t codes[16];
};
static_assert(sizeof(BlockQ5_1) == 24);

// x = scale * kIq4Levels[code]                        4.5 bits a value
//  0       2                    18
//  | scale | nibbles, as Q4_0   |
struct BlockIq4Nl {
  HalfBits scale;
  uint8_t codes[16];
};
static_assert(sizeof(BlockIq4Nl) == 18);

// x = 2^(exponent - 128) * kMxfp4Levels[code]         4.25 bits a value
// (OCP MX: E8M0 scale 2^(exponent - 127) times E2M1; the levels here are twice E2M1's.)
//  0          1                   17
//  | exponent | nibbles, as Q4_0  |
struct BlockMxfp4 {
  uint8_t exponent;
  uint8_t codes[16];
};
static_assert(sizeof(BlockMxfp4) == 17);

// ---- one block of 64 values ------------------------------------------------------------------

// x = scale * kNf4Levels[code]                        4.25 bits a value
//  0       2              3              34
//  | scale | x32 : x0     | x33 : x1 ... |            (high nibble : low nibble)
struct BlockNf4 {
  HalfBits scale;     // the largest magnitude of the block
  uint8_t codes[32];  // low nibble of codes[i]: x[i]; high nibble: x[i + 32]
};
static_assert(sizeof(BlockNf4) == 34);

// ---- super-blocks of 256 values ----------------------------------------------------------------

// 16 groups of 16: x = scale * group scale * code - minimum * group minimum     2.625 bits a value
//  0                       16          80      82        84
//  | 16 x (min : scale)    | 2-bit x64 | scale | minimum |
// group_scales[g]: low nibble the scale of group g, high nibble its minimum.
// codes[32 * h + j], h in 0..1, holds x[128 * h + j + 0, 32, 64, 96] from its lowest bits up.
struct BlockQ2_K {
  uint8_t group_scales[16];
  uint8_t codes[64];
  HalfBits scale;
  HalfBits minimum;
};
static_assert(sizeof(BlockQ2_K) == 84);

// 16 groups of 16: x = scale * (group scale - 32) * (code - 4)                3.4375 bits a value
//  0               32          96                    108     110
//  | third bits    | 2-bit x64 | 16 six-bit scales   | scale |
// codes as Q2_K. high_bits[j] bit b is the third bit of x[32 * b + j].
// group_scales: byte j of 0..7 holds the low four bits of groups j (low nibble) and j + 8 (high
// nibble); byte 8 + j of 0..3 the high two bits of groups j, j + 4, j + 8, j + 12, lowest first.
struct BlockQ3_K {
  uint8_t high_bits[32];
  uint8_t codes[64];
  uint8_t group_scales[12];
  HalfBits scale;
};
static_assert(sizeof(BlockQ3_K) == 110);

// 8 groups of 32: x = scale * group scale * code - minimum * group minimum      4.5 bits a value
//  0       2         4                           16             144
//  | scale | minimum | 8 six-bit (scale, min)    | nibbles x128 |
// codes[32 * h + j], h in 0..3: low nibble x[64 * h + j], high nibble x[64 * h + 32 + j].
// group_scales, bits from high to low (s: scale, m: minimum of the group numbered behind it):
//   byte j = 0..3   s[j+4] bits 5-4 | s[j] bits 5-0
//   byte 4 + j      m[j+4] bits 5-4 | m[j] bits 5-0
//   byte 8 + j      m[j+4] bits 3-0 | s[j+4] bits 3-0
struct BlockQ4_K {
  HalfBits scale;
  HalfBits minimum;
  uint8_t group_scales[12];
  uint8_t codes[128];
};
static_assert(sizeof(BlockQ4_K) == 144);

// 8 groups of 32, as Q4_K with five-bit codes                                   5.5 bits a value
//  0       2         4                           16           48             176
//  | scale | minimum | 8 six-bit (scale, min)    | fifth bits | nibbles x128 |
// codes and group_scales as Q4_K. high_bits[j] bit g is the fifth bit of x[32 * g + j].
struct BlockQ5_K {
  HalfBits scale;
  HalfBits minimum;
  uint8_t group_scales[12];
  uint8_t high_bits[32];
  uint8_t codes[128];
};
static_assert(sizeof(BlockQ5_K) == 176);

// 16 groups of 16: x = scale * group scale * (code - 32)                     6.5625 bits a value
//  0               128              192                208     210
//  | nibbles x128  | 2-bit x64      | 16 signed scales | scale |
// For h in 0..1: codes[64 * h + j], j in 0..63: low nibble x[128 * h + j], high nibble
// x[128 * h + 64 + j]. high_bits[32 * h + j], j in 0..31: the upper two bits of
// x[128 * h + j + 0, 32, 64, 96] from its lowest bits up.
struct BlockQ6_K {
  uint8_t codes[128];
  uint8_t high_bits[64];
  int8_t group_scales[16];
  HalfBits scale;
};
static_assert(sizeof(BlockQ6_K) == 210);

// 8 groups of 32: x = scale * (group scale - 32) * kIq4Levels[code]            4.25 bits a value
//  0       2            4           8              136
//  | scale | scale high | scale low | nibbles x128 |
// group_scales_high bits 2g, 2g + 1: upper two bits of group g; group_scales_low[g / 2]: lower
// four (even g: low nibble). codes[16 * g + j]: low nibble x[32 * g + j], high x[32 * g + 16 + j].
struct BlockIq4Xs {
  HalfBits scale;
  uint16_t group_scales_high;
  uint8_t group_scales_low[4];
  uint8_t codes[128];
};
static_assert(sizeof(BlockIq4Xs) == 136);

// x = scale * (trit - 1)                                                      1.6875 bits a value
//  0                     48                 52      54
//  | 5 trits a byte x48  | 4 trits a byte x4| scale |
// A byte q holds its trits as the fraction q / 256 in base 3: trit n is ((q * 3^n mod 256) * 3)
// >> 8. codes[j], j in 0..31: trit n is x[32 * n + j]; codes[32 + j], j in 0..15: x[160 + 16 * n +
// j]; tail[j]: trit n of 0..3 is x[240 + 4 * n + j].
struct BlockTq1_0 {
  uint8_t codes[48];
  uint8_t tail[4];
  HalfBits scale;
};
static_assert(sizeof(BlockTq1_0) == 54);

// x = scale * (code - 1)                                                      2.0625 bits a value
//  0           64      66
//  | 2-bit x64 | scale |                              codes as Q2_K
struct BlockTq2_0 {
  uint8_t codes[64];
  HalfBits scale;
};
static_assert(sizeof(BlockTq2_0) == 66);

#pragma pack(pop)

// ---- levels ------------------------------------------------------------------------------------

// IQ4_NL and IQ4_XS: 16 levels, denser around zero.
constexpr int8_t kIq4Levels[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                   1,    13,   25,  38,  53,  69,  89,  113};

// MXFP4: twice the values of E2M1, so that they are whole.
constexpr int8_t kMxfp4Levels[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

// NF4: quantiles of the normal distribution, scaled to [-1, 1], with an exact zero (Dettmers et
// al., "QLoRA", 2023, appendix E).
constexpr float kNf4Levels[16] = {
    -1.0f,
    -0.6961928009986877f,
    -0.5250730514526367f,
    -0.39491748809814453f,
    -0.28444138169288635f,
    -0.18477343022823334f,
    -0.09105003625154495f,
    0.0f,
    0.07958029955625534f,
    0.16093020141124725f,
    0.24611230194568634f,
    0.33791524171829224f,
    0.44070982933044434f,
    0.5626170039176941f,
    0.7229568362236023f,
    1.0f,
};

}  // namespace minim::kernels
