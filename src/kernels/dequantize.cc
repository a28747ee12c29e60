// Stored blocks to floats: the specification of every type.
#include <bit>
#include <cstring>

#include "base/error.h"
#include "base/half.h"
#include "kernels/block_types.h"
#include "kernels/quantize.h"

namespace minim::kernels {
namespace {

int low_nibble(uint8_t byte) { return byte & 15; }
int high_nibble(uint8_t byte) { return byte >> 4; }

// Bit `index` of a little-endian bit field.
int bit_of(const uint8_t* bytes, int index) { return (bytes[index / 8] >> (index % 8)) & 1; }

void dequantize(const BlockQ8_0& block, float* x) {
  const float scale = half_to_float(block.scale);
  for (int i = 0; i < 32; ++i) x[i] = static_cast<float>(block.codes[i]) * scale;
}

void dequantize(const BlockQ4_0& block, float* x) {
  const float scale = half_to_float(block.scale);
  for (int i = 0; i < 16; ++i) {
    x[i] = static_cast<float>(low_nibble(block.codes[i]) - 8) * scale;
    x[i + 16] = static_cast<float>(high_nibble(block.codes[i]) - 8) * scale;
  }
}

void dequantize(const BlockQ4_1& block, float* x) {
  const float scale = half_to_float(block.scale);
  const float minimum = half_to_float(block.minimum);
  for (int i = 0; i < 16; ++i) {
    x[i] = static_cast<float>(low_nibble(block.codes[i])) * scale + minimum;
    x[i + 16] = static_cast<float>(high_nibble(block.codes[i])) * scale + minimum;
  }
}

void dequantize(const BlockQ5_0& block, float* x) {
  const float scale = half_to_float(block.scale);
  for (int i = 0; i < 16; ++i) {
    const int low = low_nibble(block.codes[i]) | bit_of(block.high_bits, i) << 4;
    const int high = high_nibble(block.codes[i]) | bit_of(block.high_bits, i + 16) << 4;
    x[i] = static_cast<float>(low - 16) * scale;
    x[i + 16] = static_cast<float>(high - 16) * scale;
  }
}

void dequantize(const BlockQ5_1& block, float* x) {
  const float scale = half_to_float(block.scale);
  const float minimum = half_to_float(block.minimum);
  for (int i = 0; i < 16; ++i) {
    const int low = low_nibble(block.codes[i]) | bit_of(block.high_bits, i) << 4;
    const int high = high_nibble(block.codes[i]) | bit_of(block.high_bits, i + 16) << 4;
    x[i] = static_cast<float>(low) * scale + minimum;
    x[i + 16] = static_cast<float>(high) * scale + minimum;
  }
}

void dequantize(const BlockIq4Nl& block, float* x) {
  const float scale = half_to_float(block.scale);
  for (int i = 0; i < 16; ++i) {
    x[i] = scale * kIq4Levels[low_nibble(block.codes[i])];
    x[i + 16] = scale * kIq4Levels[high_nibble(block.codes[i])];
  }
}

// 2^(exponent - 128): the two smallest are subnormal floats.
float mxfp4_scale(uint8_t exponent) {
  const uint32_t bits =
      exponent < 2 ? uint32_t{0x200000} << exponent : static_cast<uint32_t>(exponent - 1) << 23;
  return std::bit_cast<float>(bits);
}

void dequantize(const BlockMxfp4& block, float* x) {
  const float scale = mxfp4_scale(block.exponent);
  for (int i = 0; i < 16; ++i) {
    x[i] = scale * kMxfp4Levels[low_nibble(block.codes[i])];
    x[i + 16] = scale * kMxfp4Levels[high_nibble(block.codes[i])];
  }
}

void dequantize(const BlockNf4& block, float* x) {
  const float scale = half_to_float(block.scale);
  for (int i = 0; i < 32; ++i) {
    x[i] = scale * kNf4Levels[low_nibble(block.codes[i])];
    x[i + 32] = scale * kNf4Levels[high_nibble(block.codes[i])];
  }
}

// The 2-bit code of value i in the layout that Q2_K, Q3_K, TQ2_0 and the high bits of Q6_K share.
int two_bits_of(const uint8_t* codes, int i) {
  return (codes[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2)) & 3;
}

void dequantize(const BlockQ2_K& block, float* x) {
  const float scale = half_to_float(block.scale);
  const float minimum = half_to_float(block.minimum);
  for (int i = 0; i < kSuperBlock; ++i) {
    const uint8_t group = block.group_scales[i / 16];
    const float group_scale = scale * static_cast<float>(low_nibble(group));
    const float group_minimum = minimum * static_cast<float>(high_nibble(group));
    x[i] = group_scale * static_cast<float>(two_bits_of(block.codes, i)) - group_minimum;
  }
}

int q3_k_group_scale(const BlockQ3_K& block, int group) {
  const uint8_t byte = block.group_scales[group % 8];
  const int low = group < 8 ? low_nibble(byte) : high_nibble(byte);
  const int high = (block.group_scales[8 + group % 4] >> (group / 4 * 2)) & 3;
  return (low | high << 4) - 32;
}

void dequantize(const BlockQ3_K& block, float* x) {
  const float scale = half_to_float(block.scale);
  for (int group = 0; group < 16; ++group) {
    const float group_scale = scale * static_cast<float>(q3_k_group_scale(block, group));
    for (int i = group * 16; i < group * 16 + 16; ++i) {
      const int high = (block.high_bits[i % 32] >> (i / 32)) & 1;
      x[i] = group_scale * static_cast<float>((two_bits_of(block.codes, i) | high << 2) - 4);
    }
  }
}

struct ScaleAndMinimum {
  int scale;
  int minimum;
};

// Group `group` of the 12 bytes that Q4_K and Q5_K pack their six-bit numbers into.
ScaleAndMinimum k_group(const uint8_t* bytes, int group) {
  if (group < 4) return {bytes[group] & 63, bytes[4 + group] & 63};
  const int j = group - 4;
  return {low_nibble(bytes[8 + j]) | bytes[j] >> 6 << 4,
          high_nibble(bytes[8 + j]) | bytes[4 + j] >> 6 << 4};
}

void dequantize(const BlockQ4_K& block, float* x) {
  const float scale = half_to_float(block.scale);
  const float minimum = half_to_float(block.minimum);
  for (int group = 0; group < 8; ++group) {
    const ScaleAndMinimum numbers = k_group(block.group_scales, group);
    const float group_scale = scale * static_cast<float>(numbers.scale);
    const float group_minimum = minimum * static_cast<float>(numbers.minimum);
    const uint8_t* codes = block.codes + group / 2 * 32;
    for (int i = 0; i < 32; ++i) {
      const int code = (codes[i] >> (group % 2 * 4)) & 15;
      x[group * 32 + i] = group_scale * static_cast<float>(code) - group_minimum;
    }
  }
}

void dequantize(const BlockQ5_K& block, float* x) {
  const float scale = half_to_float(block.scale);
  const float minimum = half_to_float(block.minimum);
  for (int group = 0; group < 8; ++group) {
    const ScaleAndMinimum numbers = k_group(block.group_scales, group);
    const float group_scale = scale * static_cast<float>(numbers.scale);
    const float group_minimum = minimum * static_cast<float>(numbers.minimum);
    const uint8_t* codes = block.codes + group / 2 * 32;
    for (int i = 0; i < 32; ++i) {
      const int high = (block.high_bits[i] >> group) & 1;
      const int code = ((codes[i] >> (group % 2 * 4)) & 15) | high << 4;
      x[group * 32 + i] = group_scale * static_cast<float>(code) - group_minimum;
    }
  }
}

void dequantize(const BlockQ6_K& block, float* x) {
  const float scale = half_to_float(block.scale);
  for (int group = 0; group < 16; ++group) {
    const float group_scale = scale * static_cast<float>(block.group_scales[group]);
    for (int i = group * 16; i < group * 16 + 16; ++i) {
      const int low = (block.codes[i / 128 * 64 + i % 64] >> (i % 128 / 64 * 4)) & 15;
      const int code = low | two_bits_of(block.high_bits, i) << 4;
      x[i] = group_scale * static_cast<float>(code - 32);
    }
  }
}

void dequantize(const BlockIq4Xs& block, float* x) {
  const float scale = half_to_float(block.scale);
  for (int group = 0; group < 8; ++group) {
    const int low = (block.group_scales_low[group / 2] >> (group % 2 * 4)) & 15;
    const int high = (block.group_scales_high >> (group * 2)) & 3;
    const float group_scale = scale * static_cast<float>((low | high << 4) - 32);
    const uint8_t* codes = block.codes + group * 16;
    for (int i = 0; i < 16; ++i) {
      x[group * 32 + i] = group_scale * kIq4Levels[low_nibble(codes[i])];
      x[group * 32 + i + 16] = group_scale * kIq4Levels[high_nibble(codes[i])];
    }
  }
}

constexpr uint8_t kPowersOf3[5] = {1, 3, 9, 27, 81};

// Trit `n` of a byte that holds a fraction in base 3.
int trit_of(uint8_t byte, int n) {
  const auto rest = static_cast<uint8_t>(byte * kPowersOf3[n]);
  return (rest * 3) >> 8;
}

void dequantize(const BlockTq1_0& block, float* x) {
  const float scale = half_to_float(block.scale);
  for (int n = 0; n < 5; ++n) {
    for (int j = 0; j < 32; ++j) {
      x[n * 32 + j] = static_cast<float>(trit_of(block.codes[j], n) - 1) * scale;
    }
    for (int j = 0; j < 16; ++j) {
      x[160 + n * 16 + j] = static_cast<float>(trit_of(block.codes[32 + j], n) - 1) * scale;
    }
  }
  for (int n = 0; n < 4; ++n) {
    for (int j = 0; j < 4; ++j) {
      x[240 + n * 4 + j] = static_cast<float>(trit_of(block.tail[j], n) - 1) * scale;
    }
  }
}

void dequantize(const BlockTq2_0& block, float* x) {
  const float scale = half_to_float(block.scale);
  for (int i = 0; i < kSuperBlock; ++i) {
    x[i] = static_cast<float>(two_bits_of(block.codes, i) - 1) * scale;
  }
}

template <typename Block>
void dequantize_blocks(const void* blocks, float* values, int64_t count, int block_values) {
  const auto* block = static_cast<const Block*>(blocks);
  for (; count > 0; count -= block_values, values += block_values) dequantize(*block++, values);
}

template <float (*kConvert)(uint16_t)>
void convert_halves(const void* blocks, float* values, int64_t count) {
  const auto* bytes = static_cast<const char*>(blocks);
  for (int64_t i = 0; i < count; ++i) {
    uint16_t bits;
    std::memcpy(&bits, bytes + 2 * i, 2);
    values[i] = kConvert(bits);
  }
}

}  // namespace

void dequantize_row(DataType type, const void* blocks, float* values, int64_t count) noexcept {
  const DataTypeInfo& info = data_type_info(type);
  const int block_values = info.block_values;
  MINIM_CHECK(info.is_weight && count >= 0 && count % block_values == 0);
  switch (type) {
    case DataType::kF32:
      if (count > 0) std::memcpy(values, blocks, static_cast<size_t>(count) * sizeof(float));
      return;
    case DataType::kF16: return convert_halves<half_to_float>(blocks, values, count);
    case DataType::kBf16: return convert_halves<bfloat16_to_float>(blocks, values, count);
#define MINIM_CASE(name) \
  case DataType::k##name: return dequantize_blocks<Block##name>(blocks, values, count, block_values)
      MINIM_CASE(Q8_0);
      MINIM_CASE(Q4_0);
      MINIM_CASE(Q4_1);
      MINIM_CASE(Q5_0);
      MINIM_CASE(Q5_1);
      MINIM_CASE(Q2_K);
      MINIM_CASE(Q3_K);
      MINIM_CASE(Q4_K);
      MINIM_CASE(Q5_K);
      MINIM_CASE(Q6_K);
      MINIM_CASE(Iq4Nl);
      MINIM_CASE(Iq4Xs);
      MINIM_CASE(Mxfp4);
      MINIM_CASE(Nf4);
      MINIM_CASE(Tq1_0);
      MINIM_CASE(Tq2_0);
#undef MINIM_CASE
    case DataType::kI8:
    case DataType::kI16:
    case DataType::kI32:
    case DataType::kI64:
    case DataType::kF64: break;
  }
}

}  // namespace minim::kernels
