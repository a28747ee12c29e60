// What the products see of each type of weight. A block type is unpacked to whole-number codes with
// a scale, and for some an offset, for each group of 16 or more values:
//   value = scale * code + offset
// in exactly the operations of dequantize.cc, so that the values are the same to the last bit. The
// loops have constant bounds and the compiler makes vectors of them.
#pragma once

#include "kernels/block_types.h"
#include "kernels/data_type.h"
#include "kernels/simd/attributes.h"

namespace minim::kernels::MINIM_ISA {
namespace {

struct Unpacked {
  alignas(64) int8_t codes[kSuperBlock];
  float scales[16];
  float offsets[16];
};

// ---- plain numbers -----------------------------------------------------------------------------

struct F32 {
  static constexpr DataType kType = DataType::kF32;
  static constexpr int kBytes = 4;
  MINIM_INLINE V::F load(const std::byte* p) { return V::load(p); }
  MINIM_INLINE V::F load_partial(const std::byte* p, int n) { return V::load_partial(p, n); }
};

struct F16 {
  static constexpr DataType kType = DataType::kF16;
  static constexpr int kBytes = 2;
  MINIM_INLINE V::F load(const std::byte* p) { return V::load_half(p); }
  MINIM_INLINE V::F load_partial(const std::byte* p, int n) { return V::load_half_partial(p, n); }
};

struct Bf16 {
  static constexpr DataType kType = DataType::kBf16;
  static constexpr int kBytes = 2;
  MINIM_INLINE V::F load(const std::byte* p) { return V::load_bfloat16(p); }
  MINIM_INLINE V::F load_partial(const std::byte* p, int n) {
    return V::load_bfloat16_partial(p, n);
  }
};

// ---- blocks ------------------------------------------------------------------------------------

// One lane vector of values from what unpack() left, starting at value i.
template <int kGroup, bool kHasOffsets>
MINIM_INLINE V::F scaled_codes(const Unpacked& unpacked, int i) {
  const V::F product = V::mul(V::load_i8(unpacked.codes + i), V::set(unpacked.scales[i / kGroup]));
  if constexpr (!kHasOffsets) return product;
  return V::add(product, V::set(unpacked.offsets[i / kGroup]));
}

template <typename Stored, DataType kDataType, int kBlockValues, int kGroupValues,
          bool kWithOffsets>
struct BlockType {
  using Block = Stored;
  static constexpr DataType kType = kDataType;
  static constexpr int kValues = kBlockValues;
  static constexpr int kGroup = kGroupValues;
  static constexpr bool kHasOffsets = kWithOffsets;
  MINIM_INLINE V::F values(const Unpacked& unpacked, int i) {
    return scaled_codes<kGroup, kHasOffsets>(unpacked, i);
  }
};

struct Q8_0 : BlockType<BlockQ8_0, DataType::kQ8_0, 32, 32, false> {
  MINIM_INLINE void unpack(const Block& block, Unpacked& to) {
    to.scales[0] = V::half(block.scale);
    __builtin_memcpy(to.codes, block.codes, 32);
  }
};

struct Q4_0 : BlockType<BlockQ4_0, DataType::kQ4_0, 32, 32, false> {
  MINIM_INLINE void unpack(const Block& block, Unpacked& to) {
    to.scales[0] = V::half(block.scale);
    MINIM_VECTORIZE
    for (int i = 0; i < 16; ++i) {
      to.codes[i] = static_cast<int8_t>((block.codes[i] & 15) - 8);
      to.codes[i + 16] = static_cast<int8_t>((block.codes[i] >> 4) - 8);
    }
  }
};

struct Q4_1 : BlockType<BlockQ4_1, DataType::kQ4_1, 32, 32, true> {
  MINIM_INLINE void unpack(const Block& block, Unpacked& to) {
    to.scales[0] = V::half(block.scale);
    to.offsets[0] = V::half(block.minimum);
    MINIM_VECTORIZE
    for (int i = 0; i < 16; ++i) {
      to.codes[i] = static_cast<int8_t>(block.codes[i] & 15);
      to.codes[i + 16] = static_cast<int8_t>(block.codes[i] >> 4);
    }
  }
};

// Five-bit codes of 32 values: nibbles, and bit i of four bytes for value i.
MINIM_INLINE void unpack_fifth_bits(const uint8_t* nibbles, const uint8_t* high_bits, int bias,
                                    int8_t* codes) {
  uint8_t high[32];
  V::spread_bits(high_bits, 16, high);
  MINIM_VECTORIZE
  for (int i = 0; i < 16; ++i) {
    codes[i] = static_cast<int8_t>(((nibbles[i] & 15) | high[i]) - bias);
    codes[i + 16] = static_cast<int8_t>(((nibbles[i] >> 4) | high[i + 16]) - bias);
  }
}

struct Q5_0 : BlockType<BlockQ5_0, DataType::kQ5_0, 32, 32, false> {
  MINIM_INLINE void unpack(const Block& block, Unpacked& to) {
    to.scales[0] = V::half(block.scale);
    unpack_fifth_bits(block.codes, block.high_bits, 16, to.codes);
  }
};

struct Q5_1 : BlockType<BlockQ5_1, DataType::kQ5_1, 32, 32, true> {
  MINIM_INLINE void unpack(const Block& block, Unpacked& to) {
    to.scales[0] = V::half(block.scale);
    to.offsets[0] = V::half(block.minimum);
    unpack_fifth_bits(block.codes, block.high_bits, 0, to.codes);
  }
};

struct Iq4Nl : BlockType<BlockIq4Nl, DataType::kIq4Nl, 32, 32, false> {
  MINIM_INLINE void unpack(const Block& block, Unpacked& to) {
    to.scales[0] = V::half(block.scale);
    V::lookup_nibbles(block.codes, kIq4Levels, to.codes, to.codes + 16);
  }
};

struct Mxfp4 : BlockType<BlockMxfp4, DataType::kMxfp4, 32, 32, false> {
  MINIM_INLINE void unpack(const Block& block, Unpacked& to) {
    // 2^(exponent - 128): the two smallest are subnormal floats.
    const uint32_t bits = block.exponent < 2 ? uint32_t{0x200000} << block.exponent
                                             : static_cast<uint32_t>(block.exponent - 1) << 23;
    __builtin_memcpy(&to.scales[0], &bits, sizeof(bits));
    V::lookup_nibbles(block.codes, kMxfp4Levels, to.codes, to.codes + 16);
  }
};

// The levels are no whole numbers: codes are their indices here.
struct Nf4 : BlockType<BlockNf4, DataType::kNf4, 64, 64, false> {
  MINIM_INLINE void unpack(const Block& block, Unpacked& to) {
    to.scales[0] = V::half(block.scale);
    MINIM_VECTORIZE
    for (int i = 0; i < 32; ++i) {
      to.codes[i] = static_cast<int8_t>(block.codes[i] & 15);
      to.codes[i + 32] = static_cast<int8_t>(block.codes[i] >> 4);
    }
  }
  MINIM_INLINE V::F values(const Unpacked& unpacked, int i) {
    return V::mul(V::set(unpacked.scales[0]), V::lookup16(kNf4Levels, unpacked.codes + i));
  }
};

// ---- super-blocks ------------------------------------------------------------------------------

// The scales of a super-block, and its offsets where it has some, from the whole numbers that its
// groups have.
template <typename Type>
MINIM_INLINE void unpack_group_scales(const typename Type::Block& block, Unpacked& to) {
  int8_t scales[16];
  int8_t minimums[16];
  Type::group_scales(block, scales, minimums);
  const float scale = V::half(block.scale);
  for (int group = 0; group < Type::kValues / Type::kGroup; ++group) {
    to.scales[group] = scale * static_cast<float>(scales[group]);
  }
  if constexpr (Type::kHasOffsets) {
    const float minimum = V::half(block.minimum);
    for (int group = 0; group < Type::kValues / Type::kGroup; ++group) {
      to.offsets[group] = -(minimum * static_cast<float>(minimums[group]));
    }
  }
}

// The layout of two-bit codes that Q2_K, Q3_K, TQ2_0 and the high bits of Q6_K share.
MINIM_INLINE void unpack_two_bits(const uint8_t* packed, int bias, int8_t* codes) {
  for (int half = 0; half < 2; ++half) {
    for (int shift = 0; shift < 4; ++shift) {
      MINIM_VECTORIZE
      for (int i = 0; i < 32; ++i) {
        codes[half * 128 + shift * 32 + i] =
            static_cast<int8_t>(((packed[half * 32 + i] >> (2 * shift)) & 3) - bias);
      }
    }
  }
}

struct Q2_K : BlockType<BlockQ2_K, DataType::kQ2_K, 256, 16, true> {
  MINIM_INLINE void group_scales(const Block& block, int8_t* scales, int8_t* minimums) {
    for (int group = 0; group < 16; ++group) {
      scales[group] = static_cast<int8_t>(block.group_scales[group] & 15);
      minimums[group] = static_cast<int8_t>(block.group_scales[group] >> 4);
    }
  }
  MINIM_INLINE void unpack(const Block& block, Unpacked& to) {
    unpack_group_scales<Q2_K>(block, to);
    unpack_two_bits(block.codes, 0, to.codes);
  }
};

struct Q3_K : BlockType<BlockQ3_K, DataType::kQ3_K, 256, 16, false> {
  MINIM_INLINE void group_scales(const Block& block, int8_t* scales, int8_t*) {
    for (int group = 0; group < 16; ++group) {
      const int byte = block.group_scales[group % 8];
      const int low = group < 8 ? byte & 15 : byte >> 4;
      const int high = (block.group_scales[8 + group % 4] >> (group / 4 * 2)) & 3;
      scales[group] = static_cast<int8_t>((low | high << 4) - 32);
    }
  }
  MINIM_INLINE void unpack(const Block& block, Unpacked& to) {
    unpack_group_scales<Q3_K>(block, to);
    unpack_two_bits(block.codes, 4, to.codes);
    for (int bit = 0; bit < 8; ++bit) {
      MINIM_VECTORIZE
      for (int i = 0; i < 32; ++i) {
        const int high = ((block.high_bits[i] >> bit) & 1) << 2;
        to.codes[bit * 32 + i] = static_cast<int8_t>(to.codes[bit * 32 + i] + high);
      }
    }
  }
};

// The eight six-bit scales and minimums of Q4_K and Q5_K.
MINIM_INLINE void six_bit_scales(const uint8_t* bytes, int8_t* scales, int8_t* minimums) {
  for (int group = 0; group < 4; ++group) {
    const int last = bytes[8 + group];
    scales[group] = static_cast<int8_t>(bytes[group] & 63);
    scales[group + 4] = static_cast<int8_t>((last & 15) | bytes[group] >> 6 << 4);
    minimums[group] = static_cast<int8_t>(bytes[4 + group] & 63);
    minimums[group + 4] = static_cast<int8_t>(last >> 4 | bytes[4 + group] >> 6 << 4);
  }
}

// Nibbles of 256 values, 32 low ones before the 32 high ones of the same bytes.
MINIM_INLINE void unpack_nibble_groups(const uint8_t* packed, int8_t* codes) {
  for (int pair = 0; pair < 4; ++pair) {
    MINIM_VECTORIZE
    for (int i = 0; i < 32; ++i) {
      codes[pair * 64 + i] = static_cast<int8_t>(packed[pair * 32 + i] & 15);
      codes[pair * 64 + 32 + i] = static_cast<int8_t>(packed[pair * 32 + i] >> 4);
    }
  }
}

struct Q4_K : BlockType<BlockQ4_K, DataType::kQ4_K, 256, 32, true> {
  MINIM_INLINE void group_scales(const Block& block, int8_t* scales, int8_t* minimums) {
    six_bit_scales(block.group_scales, scales, minimums);
  }
  MINIM_INLINE void unpack(const Block& block, Unpacked& to) {
    unpack_group_scales<Q4_K>(block, to);
    unpack_nibble_groups(block.codes, to.codes);
  }
};

struct Q5_K : BlockType<BlockQ5_K, DataType::kQ5_K, 256, 32, true> {
  MINIM_INLINE void group_scales(const Block& block, int8_t* scales, int8_t* minimums) {
    six_bit_scales(block.group_scales, scales, minimums);
  }
  MINIM_INLINE void unpack(const Block& block, Unpacked& to) {
    unpack_group_scales<Q5_K>(block, to);
    unpack_nibble_groups(block.codes, to.codes);
    for (int group = 0; group < 8; ++group) {
      MINIM_VECTORIZE
      for (int i = 0; i < 32; ++i) {
        const int high = ((block.high_bits[i] >> group) & 1) << 4;
        to.codes[group * 32 + i] = static_cast<int8_t>(to.codes[group * 32 + i] | high);
      }
    }
  }
};

struct Q6_K : BlockType<BlockQ6_K, DataType::kQ6_K, 256, 16, false> {
  MINIM_INLINE void group_scales(const Block& block, int8_t* scales, int8_t*) {
    __builtin_memcpy(scales, block.group_scales, 16);
  }
  MINIM_INLINE void unpack(const Block& block, Unpacked& to) {
    unpack_group_scales<Q6_K>(block, to);
    int8_t high[kSuperBlock];
    unpack_two_bits(block.high_bits, 0, high);
    for (int half = 0; half < 2; ++half) {
      MINIM_VECTORIZE
      for (int i = 0; i < 64; ++i) {
        const int packed = block.codes[half * 64 + i];
        const int at = half * 128 + i;
        to.codes[at] = static_cast<int8_t>(((packed & 15) | high[at] << 4) - 32);
        to.codes[at + 64] = static_cast<int8_t>((packed >> 4 | high[at + 64] << 4) - 32);
      }
    }
  }
};

struct Iq4Xs : BlockType<BlockIq4Xs, DataType::kIq4Xs, 256, 32, false> {
  MINIM_INLINE void group_scales(const Block& block, int8_t* scales, int8_t*) {
    for (int group = 0; group < 8; ++group) {
      const int low = (block.group_scales_low[group / 2] >> (group % 2 * 4)) & 15;
      const int high = (block.group_scales_high >> (group * 2)) & 3;
      scales[group] = static_cast<int8_t>((low | high << 4) - 32);
    }
  }
  MINIM_INLINE void unpack(const Block& block, Unpacked& to) {
    unpack_group_scales<Iq4Xs>(block, to);
    for (int group = 0; group < 8; ++group) {
      V::lookup_nibbles(block.codes + group * 16, kIq4Levels, to.codes + group * 32,
                        to.codes + group * 32 + 16);
    }
  }
};

struct Tq1_0 : BlockType<BlockTq1_0, DataType::kTq1_0, 256, 256, false> {
  MINIM_INLINE void unpack(const Block& block, Unpacked& to) {
    to.scales[0] = V::half(block.scale);
    unpack_trits(block.codes, 32, 5, to.codes);
    unpack_trits(block.codes + 32, 16, 5, to.codes + 160);
    unpack_trits(block.tail, 4, 4, to.codes + 240);
  }

 private:
  // A byte is a fraction in base 3: its trit n is the whole part of 3 times the rest after n.
  MINIM_INLINE void unpack_trits(const uint8_t* bytes, int count, int trits, int8_t* codes) {
    int power = 1;
    for (int n = 0; n < trits; ++n, power *= 3) {
      MINIM_VECTORIZE
      for (int i = 0; i < count; ++i) {
        const int rest = bytes[i] * power & 255;
        codes[n * count + i] = static_cast<int8_t>((rest * 3 >> 8) - 1);
      }
    }
  }
};

struct Tq2_0 : BlockType<BlockTq2_0, DataType::kTq2_0, 256, 256, false> {
  MINIM_INLINE void unpack(const Block& block, Unpacked& to) {
    to.scales[0] = V::half(block.scale);
    unpack_two_bits(block.codes, 1, to.codes);
  }
};

template <typename Type>
concept Blocked = requires {
  Type::kValues;
};

// The bytes of the first `values` values of a row.
template <typename Type>
MINIM_INLINE int64_t row_bytes(int64_t values) {
  if constexpr (Blocked<Type>) {
    return values / Type::kValues * static_cast<int64_t>(sizeof(typename Type::Block));
  } else {
    return values * Type::kBytes;
  }
}

// Values [begin, begin + count) of a row as floats. REQUIRES: both are whole blocks.
template <typename Type>
MINIM_INLINE void expand(const std::byte* row, int64_t begin, int64_t count, float* out) {
  const std::byte* from = row + row_bytes<Type>(begin);
  if constexpr (Blocked<Type>) {
    const auto* block = reinterpret_cast<const typename Type::Block*>(from);
    Unpacked unpacked;
    for (int64_t at = 0; at < count; at += Type::kValues, ++block) {
      Type::unpack(*block, unpacked);
      for (int i = 0; i < Type::kValues; i += V::kLanes) {
        V::store(out + at + i, Type::values(unpacked, i));
      }
    }
  } else {
    int64_t i = 0;
    for (; i + V::kLanes <= count; i += V::kLanes) {
      V::store(out + i, Type::load(from + i * Type::kBytes));
    }
    if (const int rest = static_cast<int>(count - i); rest > 0) {
      V::store_partial(out + i, Type::load_partial(from + i * Type::kBytes, rest), rest);
    }
  }
}

}  // namespace
}  // namespace minim::kernels::MINIM_ISA
