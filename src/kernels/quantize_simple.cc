// Blocks with one scale: 32 or 64 values, and the ternary ones of 256. Without importance each
// takes the plain rounding of its format, so that the bytes are those that other programs write.
#include <cstring>

#include "kernels/quantize_block.h"
#include "kernels/quantize_types.h"

namespace minim::kernels {
namespace {

// Code of value i in the low half of byte i, of value i + count / 2 in the high half.
void pack_nibbles(const uint8_t* codes, int count, uint8_t* out) {
  for (int i = 0; i < count / 2; ++i) {
    out[i] = static_cast<uint8_t>((codes[i] & 15) | (codes[i + count / 2] & 15) << 4);
  }
}

void pack_fifth_bits(const uint8_t* codes, uint8_t* out) {
  std::memset(out, 0, 4);
  for (int i = 0; i < 32; ++i) out[i / 8] |= static_cast<uint8_t>((codes[i] >> 4 & 1) << (i % 8));
}

float largest_magnitude(const float* values, int count) {
  float peak = 0.0f;
  for (int i = 0; i < count; ++i) peak = std::max(peak, std::fabs(values[i]));
  return peak;
}

// The first value of the largest magnitude, with its sign.
float extreme_value(const float* values, int count) {
  float extreme = 0.0f;
  for (int i = 0; i < count; ++i) {
    if (std::fabs(values[i]) > std::fabs(extreme)) extreme = values[i];
  }
  return extreme;
}

// A scale as stored, and what values are multiplied by to get codes.
struct PlainScale {
  HalfBits bits;
  float inverse;

  explicit PlainScale(float scale) : bits(scale_to_half(scale)) {
    const float used = clamp_number(scale, -kHalfMax, kHalfMax);
    inverse = (bits & 0x7fffu) == 0 ? 0.0f : 1.0f / used;
  }
};

// The formats' roundings: truncation after adding a half, and halves away from zero.
int truncate_to(float value, int high) {
  return static_cast<int>(clamp_number(value, 0.0f, static_cast<float>(high)));
}
int round_away(float value, float limit) {
  const float bounded = clamp_number(value, -limit, limit);
  const int whole = static_cast<int>(bounded);
  const float rest = bounded - static_cast<float>(whole);
  return whole + (rest >= 0.5f) - (rest <= -0.5f);
}

// Codes 0..2n-1 around the middle n; the extreme value is code 0 or near the other end.
template <int kMiddle>
HalfBits plain_symmetric(const float* values, uint8_t* codes) {
  const PlainScale scale(extreme_value(values, 32) / -kMiddle);
  for (int i = 0; i < 32; ++i) {
    const float code = values[i] * scale.inverse + (static_cast<float>(kMiddle) + 0.5f);
    codes[i] = static_cast<uint8_t>(truncate_to(code, 2 * kMiddle - 1));
  }
  return scale.bits;
}

// Codes 0..kTo from the smallest value to the largest.
struct AffineHalves {
  HalfBits scale;
  HalfBits minimum;
};
template <int kTo>
AffineHalves plain_affine(const float* values, uint8_t* codes) {
  float low = values[0];
  float high = values[0];
  for (int i = 1; i < 32; ++i) {
    low = std::min(low, values[i]);
    high = std::max(high, values[i]);
  }
  const PlainScale scale((high - low) / kTo);
  for (int i = 0; i < 32; ++i) {
    codes[i] = static_cast<uint8_t>(truncate_to((values[i] - low) * scale.inverse + 0.5f, kTo));
  }
  return {scale.bits, scale_to_half(low)};
}

// The searched forms, for importance and for the formats that have no plain rounding.
template <typename Grid>
HalfBits search_symmetric(const float* values, const float* importance, int count, uint8_t* codes) {
  ScaledBlock block;
  HalfBits bits = 0;
  float inverse = 0.0f;
  if (scale_block(values, importance, count, block)) {
    bits = block.to_half(search_scale<Grid>(block.x, block.weights, count));
    if ((bits & 0x7fffu) != 0) inverse = 1.0f / block.from_half(bits);
  }
  for (int i = 0; i < count; ++i) {
    codes[i] = static_cast<uint8_t>(Grid::code(inverse == 0.0f ? 0.0f : block.x[i] * inverse));
  }
  return bits;
}

template <int kTo>
AffineHalves search_affine_block(const float* values, const float* importance, uint8_t* codes) {
  ScaledBlock block;
  if (!scale_block(values, importance, 32, block)) return plain_affine<kTo>(values, codes);
  const AffineFit fit = search_affine<kTo>(block.x, block.weights, 32, false);
  const AffineHalves halves{block.to_half(fit.scale), block.to_half(fit.minimum)};
  const float scale = block.from_half(halves.scale);
  const float minimum = block.from_half(halves.minimum);
  const float inverse = scale != 0.0f ? 1.0f / scale : 0.0f;
  for (int i = 0; i < 32; ++i) {
    codes[i] = static_cast<uint8_t>(WholeGrid<0, kTo>::code((block.x[i] - minimum) * inverse));
  }
  return halves;
}

// E2M1's magnitudes 0, 0.5, 1, 1.5, 2, 3, 4, 6, here doubled; ties take the smaller.
int mxfp4_code(float doubled) {
  const float magnitude = std::fabs(doubled);
  int code = 0;
  for (int i = 0; i < 7; ++i) {
    code += magnitude > 0.5f * static_cast<float>(kMxfp4Levels[i] + kMxfp4Levels[i + 1]);
  }
  return doubled < 0.0f && code > 0 ? code | 8 : code;
}

// The weighted squared error of x = 2^power * level, and its codes.
float encode_mxfp4(const ScaledBlock& block, int power, uint8_t* codes) {
  const float scale = std::ldexp(1.0f, power);
  const float inverse = std::ldexp(1.0f, -power);
  float error = 0.0f;
  for (int i = 0; i < 32; ++i) {
    const int code = mxfp4_code(block.x[i] * inverse);
    const float difference = block.x[i] - scale * kMxfp4Levels[code];
    error += block.weights[i] * difference * difference;
    codes[i] = static_cast<uint8_t>(code);
  }
  return error;
}

// 0, 1, 2 for -scale, 0, scale. The largest magnitude is the scale, which is what models trained to
// ternary weights hold; only importance makes it a matter of fitting.
HalfBits ternary(const float* values, const float* importance, uint8_t* trits) {
  if (importance != nullptr) {
    return search_symmetric<WholeGrid<-1, 1>>(values, importance, kSuperBlock, trits);
  }
  const PlainScale scale(largest_magnitude(values, kSuperBlock));
  for (int i = 0; i < kSuperBlock; ++i) {
    trits[i] = static_cast<uint8_t>(round_away(values[i] * scale.inverse, 1.0f) + 1);
  }
  return scale.bits;
}

// `count` trits, `stride` apart, as a fraction in base 3, rounded up so that decoding truncates
// to them.
uint8_t pack_trits(const uint8_t* trits, int stride, int count) {
  int number = 0;
  for (int n = 0; n < 5; ++n) number = number * 3 + (n < count ? trits[n * stride] : 0);
  return static_cast<uint8_t>((number * 256 + 242) / 243);
}

}  // namespace

void quantize(const float* values, const float* importance, BlockQ8_0& block) {
  uint8_t codes[32];
  if (importance != nullptr) {
    block.scale = search_symmetric<WholeGrid<-127, 127>>(values, importance, 32, codes);
    for (int i = 0; i < 32; ++i) block.codes[i] = static_cast<int8_t>(codes[i] - 127);
    return;
  }
  const PlainScale scale(largest_magnitude(values, 32) / 127.0f);
  block.scale = scale.bits;
  for (int i = 0; i < 32; ++i) {
    block.codes[i] = static_cast<int8_t>(round_away(values[i] * scale.inverse, 127.0f));
  }
}

void quantize(const float* values, const float* importance, BlockQ4_0& block) {
  uint8_t codes[32];
  block.scale = importance == nullptr
                    ? plain_symmetric<8>(values, codes)
                    : search_symmetric<WholeGrid<-8, 7>>(values, importance, 32, codes);
  pack_nibbles(codes, 32, block.codes);
}

void quantize(const float* values, const float* importance, BlockQ4_1& block) {
  uint8_t codes[32];
  const AffineHalves halves = importance == nullptr
                                  ? plain_affine<15>(values, codes)
                                  : search_affine_block<15>(values, importance, codes);
  block.scale = halves.scale;
  block.minimum = halves.minimum;
  pack_nibbles(codes, 32, block.codes);
}

void quantize(const float* values, const float* importance, BlockQ5_0& block) {
  uint8_t codes[32];
  block.scale = importance == nullptr
                    ? plain_symmetric<16>(values, codes)
                    : search_symmetric<WholeGrid<-16, 15>>(values, importance, 32, codes);
  pack_nibbles(codes, 32, block.codes);
  pack_fifth_bits(codes, block.high_bits);
}

void quantize(const float* values, const float* importance, BlockQ5_1& block) {
  uint8_t codes[32];
  const AffineHalves halves = importance == nullptr
                                  ? plain_affine<31>(values, codes)
                                  : search_affine_block<31>(values, importance, codes);
  block.scale = halves.scale;
  block.minimum = halves.minimum;
  pack_nibbles(codes, 32, block.codes);
  pack_fifth_bits(codes, block.high_bits);
}

void quantize(const float* values, const float* importance, BlockIq4Nl& block) {
  uint8_t codes[32];
  block.scale = search_symmetric<Iq4Grid>(values, importance, 32, codes);
  pack_nibbles(codes, 32, block.codes);
}

// The largest magnitude gets E2M1's largest exponent, 2. With importance, the scale twice as large
// competes, which clips nothing.
void quantize(const float* values, const float* importance, BlockMxfp4& block) {
  ScaledBlock scaled;
  block = BlockMxfp4{};
  if (!scale_block(values, importance, 32, scaled)) return;
  // Peaks are in [1, 2) units, so the doubled levels count in eighths of a unit.
  constexpr int kPower = -3;
  uint8_t codes[32];
  int exponent = std::ilogb(scaled.unit) + kPower + 128;
  const float error = encode_mxfp4(scaled, kPower, codes);
  constexpr int kExponentMax = 252;  // the largest whose every level is finite
  if (importance != nullptr && exponent < kExponentMax) {
    uint8_t wider[32];
    if (encode_mxfp4(scaled, kPower + 1, wider) < error) {
      std::memcpy(codes, wider, sizeof(codes));
      ++exponent;
    }
  }
  block.exponent = static_cast<uint8_t>(exponent);
  pack_nibbles(codes, 32, block.codes);
}

void quantize(const float* values, const float* importance, BlockNf4& block) {
  uint8_t codes[kNf4BlockValues];
  if (importance != nullptr) {
    block.scale = search_symmetric<Nf4Grid>(values, importance, kNf4BlockValues, codes);
  } else {
    const PlainScale scale(largest_magnitude(values, kNf4BlockValues));
    block.scale = scale.bits;
    for (int i = 0; i < kNf4BlockValues; ++i) {
      codes[i] = static_cast<uint8_t>(Nf4Grid::code(values[i] * scale.inverse));
    }
  }
  pack_nibbles(codes, kNf4BlockValues, block.codes);
}

void quantize(const float* values, const float* importance, BlockTq1_0& block) {
  uint8_t trits[kSuperBlock];
  block.scale = ternary(values, importance, trits);
  for (int j = 0; j < 32; ++j) block.codes[j] = pack_trits(trits + j, 32, 5);
  for (int j = 0; j < 16; ++j) block.codes[32 + j] = pack_trits(trits + 160 + j, 16, 5);
  for (int j = 0; j < 4; ++j) block.tail[j] = pack_trits(trits + 240 + j, 4, 4);
}

void quantize(const float* values, const float* importance, BlockTq2_0& block) {
  uint8_t trits[kSuperBlock];
  block.scale = ternary(values, importance, trits);
  for (int j = 0; j < 64; ++j) {
    const uint8_t* first = trits + j / 32 * 128 + j % 32;
    block.codes[j] =
        static_cast<uint8_t>(first[0] | first[32] << 2 | first[64] << 4 | first[96] << 6);
  }
}

}  // namespace minim::kernels
