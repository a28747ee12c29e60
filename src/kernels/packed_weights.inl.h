// Weights as the products with 8-bit activations read them. Sixteen rows are interleaved, so that
// lanes are output rows, and the codes of a block become bit planes that two or three operations on
// whole vectors turn into bytes.
//
// A panel is 16 rows; it holds chunks of 256 columns, the last one shorter. A chunk of n blocks of
// 32 columns, all of it by rows within each entry (r0 ... r15):
//   super-blocks only: scale, and minimum where the type has one        2 bytes a row each
//   group scales, then group offsets where the type has them            1 or 2 bytes a row and
//   group padding to a whole cache line n times the low plane of a block, then n times the high
//   plane
// A block's columns are eight quads of four. A plane of b bits a code has b lines of 64 bytes; line
// i holds quads i, i + b, ... from the lowest bits up, byte 4 r + c that of row r, column c.
#pragma once

#include "kernels/weights.inl.h"

namespace minim::kernels::MINIM_ISA {
namespace {

constexpr int kPackRows = 16;
constexpr int kPackVectors = kPackRows / V::kLanes;
constexpr int kChunkCols = kSuperBlock;
constexpr int kBlockCols = 32;
constexpr int kChunkBlocks = kChunkCols / kBlockCols;
constexpr int kQuads = kBlockCols / 4;
constexpr int kLine = 4 * kPackRows;  // bytes

enum class ScaleForm {
  kHalf,      // a half for each group
  kExponent,  // a power of two for each group
  kGroups,    // a signed byte for each group, times a half for each super-block
};

// value = unit * scale * (code - bias) + offset, or unit * scale * levels[code] + offset.
struct PackedForm {
  int low_bits = 4;   // of a code in the low plane: 2, 4 or 8
  int high_bits = 0;  // and in the high plane: 0, 1 or 2
  int bias = 0;
  const int8_t* levels = nullptr;  // bias then makes them codes of a byte
  ScaleForm scale_form = ScaleForm::kHalf;
  int scale_values = 32;
  float unit = 1;
};

// The levels of NF4 as whole numbers: 0.004 of the scale off at most, where neighbours are 0.08 and
// more apart.
constexpr int8_t kNf4Codes[16] = {-127, -88, -67, -50, -36, -23, -12, 0,
                                  10,   20,  31,  43,  56,  71,  92,  127};

template <typename Type>
constexpr PackedForm kForm = {};
template <>
constexpr PackedForm kForm<Q8_0> = {.low_bits = 8, .bias = 128};
template <>
constexpr PackedForm kForm<Q4_0> = {.bias = 8};
template <>
constexpr PackedForm kForm<Q4_1> = {};
template <>
constexpr PackedForm kForm<Q5_0> = {.high_bits = 1, .bias = 16};
template <>
constexpr PackedForm kForm<Q5_1> = {.high_bits = 1};
template <>
constexpr PackedForm kForm<Iq4Nl> = {.bias = 128, .levels = kIq4Levels};
template <>
constexpr PackedForm kForm<Mxfp4> = {
    .bias = 12, .levels = kMxfp4Levels, .scale_form = ScaleForm::kExponent, .unit = 0.5f};
template <>
constexpr PackedForm kForm<Nf4> = {
    .bias = 128, .levels = kNf4Codes, .scale_values = 64, .unit = 1.0f / 127.0f};
template <>
constexpr PackedForm kForm<Q2_K> = {
    .low_bits = 2, .scale_form = ScaleForm::kGroups, .scale_values = 16};
template <>
constexpr PackedForm kForm<Q3_K> = {
    .low_bits = 2, .high_bits = 1, .bias = 4, .scale_form = ScaleForm::kGroups, .scale_values = 16};
template <>
constexpr PackedForm kForm<Q4_K> = {.scale_form = ScaleForm::kGroups};
template <>
constexpr PackedForm kForm<Q5_K> = {.high_bits = 1, .scale_form = ScaleForm::kGroups};
template <>
constexpr PackedForm kForm<Q6_K> = {
    .high_bits = 2, .bias = 32, .scale_form = ScaleForm::kGroups, .scale_values = 16};
template <>
constexpr PackedForm kForm<Iq4Xs> = {
    .bias = 128, .levels = kIq4Levels, .scale_form = ScaleForm::kGroups};
template <>
constexpr PackedForm kForm<Tq1_0> = {.low_bits = 2, .bias = 1, .scale_values = 256};
template <>
constexpr PackedForm kForm<Tq2_0> = {.low_bits = 2, .bias = 1, .scale_values = 256};

// ---- what follows from a form ------------------------------------------------------------------

template <typename Type>
constexpr int max_code() {
  constexpr PackedForm form = kForm<Type>;
  if (form.levels == nullptr) return (1 << (form.low_bits + form.high_bits)) - 1;
  int largest = form.levels[0];
  for (int i = 1; i < 16; ++i) largest = form.levels[i] > largest ? form.levels[i] : largest;
  return largest + form.bias;
}

// Whether the bytes that are multiplied are signed here, and then have no bias.
template <typename Type>
constexpr bool kSignedCodes = V::kWideCodesSigned&& max_code<Type>() > 127;
// None of the bytes that are multiplied is farther from zero.
template <typename Type>
constexpr int kCodeMagnitude = kSignedCodes<Type> ? 128 : max_code<Type>();
template <typename Type>
constexpr int kBias = kSignedCodes<Type> ? 0 : kForm<Type>.bias;
// The columns whose products are summed as whole numbers.
template <typename Type>
constexpr int kDotCols =
    kForm<Type>.scale_values < kBlockCols ? kForm<Type>.scale_values : kBlockCols;

// Where the parts of a chunk of `blocks` blocks begin.
struct ChunkLayout {
  int scales;  // after the scales of super-blocks
  int offsets;
  int low;
  int high;
  int bytes;
};

template <typename Type>
constexpr ChunkLayout chunk_layout(int blocks) {
  constexpr PackedForm form = kForm<Type>;
  constexpr bool kSuper = form.scale_form == ScaleForm::kGroups;
  const int groups = (blocks * kBlockCols + form.scale_values - 1) / form.scale_values;
  const int group_bytes = kPackRows * (form.scale_form == ScaleForm::kHalf ? 2 : 1) * groups;
  ChunkLayout layout = {};
  layout.scales = kSuper ? 2 * kPackRows * (Type::kHasOffsets ? 2 : 1) : 0;
  layout.offsets = layout.scales + group_bytes;
  const int end = layout.offsets + (Type::kHasOffsets ? group_bytes : 0);
  layout.low = (end + kLine - 1) / kLine * kLine;
  layout.high = layout.low + blocks * form.low_bits * kLine;
  layout.bytes = layout.high + blocks * form.high_bits * kLine;
  return layout;
}

// The blocks of the chunk that begins at `column`.
MINIM_INLINE int chunk_blocks(int64_t cols, int64_t column) {
  const int64_t left = cols - column;
  return left < kChunkCols ? static_cast<int>(left / kBlockCols) : kChunkBlocks;
}

template <typename Type>
MINIM_INLINE int64_t panel_bytes(int64_t cols) {
  const int rest = static_cast<int>(cols % kChunkCols / kBlockCols);
  return cols / kChunkCols * chunk_layout<Type>(kChunkBlocks).bytes +
         (rest > 0 ? chunk_layout<Type>(rest).bytes : 0);
}

template <typename Type>
size_t packed_bytes(int64_t rows, int64_t cols) noexcept {
  return static_cast<size_t>((rows + kPackRows - 1) / kPackRows * panel_bytes<Type>(cols));
}

// ---- reading -----------------------------------------------------------------------------------

// Plane bits of quad kQuad, at the place that they have in a code.
template <int kBits, int kQuad, int kPlace>
MINIM_INLINE V::I plane_bits(const std::byte* plane, int vector) {
  constexpr int kFrom = kBits * (kQuad / kBits);
  constexpr uint8_t kMask = static_cast<uint8_t>(((1 << kBits) - 1) << kPlace);
  const V::I line = V::load_i(plane + (kQuad % kBits) * kLine + vector * 4 * V::kLanes);
  if constexpr (kBits == 8) {
    return line;
  } else if constexpr (kFrom > kPlace) {
    return V::mask_bytes(V::template shift_right<kFrom - kPlace>(line), kMask);
  } else {
    return V::mask_bytes(V::template shift_left<kPlace - kFrom>(line), kMask);
  }
}

// The planes of one block.
struct BlockPlanes {
  const std::byte* low;
  const std::byte* high;
};

// The bytes of quad kQuad that are multiplied. `table`: what level_table() gave.
template <typename Type, int kQuad>
MINIM_INLINE V::I load_quad(const BlockPlanes& planes, int vector, V::Table table) {
  constexpr PackedForm form = kForm<Type>;
  V::I codes = plane_bits<form.low_bits, kQuad, 0>(planes.low, vector);
  if constexpr (form.high_bits > 0) {
    codes = V::or_i(codes, plane_bits<form.high_bits, kQuad, form.low_bits>(planes.high, vector));
  }
  if constexpr (form.levels != nullptr) codes = V::lookup_bytes(table, codes);
  return codes;
}

template <typename Type>
MINIM_INLINE V::Table level_table(uint8_t (&bytes)[16]) {
  for (int i = 0; i < 16; ++i) {
    bytes[i] = kForm<Type>.levels == nullptr
                   ? uint8_t{0}
                   : static_cast<uint8_t>(kForm<Type>.levels[i] + kBias<Type>);
  }
  return V::load_table(bytes);
}

// What the scales and offsets of a super-block are multiplied with; nothing where it has none.
template <typename Type>
struct SuperScales {
  V::F scale;
  V::F offset;
};

template <typename Type>
MINIM_INLINE SuperScales<Type> load_super_scales(const std::byte* chunk, int vector) {
  SuperScales<Type> super = {V::zero(), V::zero()};
  if constexpr (kForm<Type>.scale_form == ScaleForm::kGroups) {
    super.scale = V::load_half(chunk + 2 * vector * V::kLanes);
    if constexpr (Type::kHasOffsets) {
      const V::F minimum = V::load_half(chunk + 2 * (kPackRows + vector * V::kLanes));
      super.offset = V::sub(V::zero(), minimum);
    }
  }
  return super;
}

// Scale or offset `group` of `scales`, of the rows of one vector.
template <typename Type>
MINIM_INLINE V::F load_group(const std::byte* scales, V::F super, int group, int vector) {
  constexpr PackedForm form = kForm<Type>;
  const int at = group * kPackRows + vector * V::kLanes;
  if constexpr (form.scale_form == ScaleForm::kGroups) {
    return V::mul(V::load_i8(reinterpret_cast<const int8_t*>(scales) + at), super);
  } else if constexpr (form.scale_form == ScaleForm::kExponent) {
    return V::mul(V::load_exponents(reinterpret_cast<const uint8_t*>(scales) + at),
                  V::set(form.unit));
  } else {
    const V::F scale = V::load_half(scales + 2 * at);
    return form.unit == 1.0f ? scale : V::mul(scale, V::set(form.unit));
  }
}

// ---- one row back ------------------------------------------------------------------------------

// The value of a code, without its scale.
template <typename Type>
MINIM_INLINE float code_value(int code) {
  if constexpr (Type::kType == DataType::kNf4) return kNf4Levels[code];
  if constexpr (kForm<Type>.levels != nullptr) return static_cast<float>(kForm<Type>.levels[code]);
  if constexpr (kForm<Type>.low_bits == 8 && kSignedCodes<Type>) {
    return static_cast<float>(static_cast<int8_t>(code));
  }
  return static_cast<float>(code - kForm<Type>.bias);
}

// The kBits of a plane that belong to row `row`, four columns of quad `quad`.
template <int kBits>
MINIM_INLINE void plane_codes(const std::byte* plane, int row, int quad, int place, int* codes) {
  const std::byte* from = plane + (quad % kBits) * kLine + 4 * row;
  const int shift = kBits * (quad / kBits);
  for (int i = 0; i < 4; ++i) {
    codes[i] |= (static_cast<int>(from[i]) >> shift & ((1 << kBits) - 1)) << place;
  }
}

// Scale or offset `group` of row `row`; both parts of those of super-blocks.
template <typename Type>
MINIM_INLINE float packed_scale(const std::byte* scales, const std::byte* super, int group,
                                int row) {
  const auto half = [row](const std::byte* p) {
    HalfBits bits;
    __builtin_memcpy(&bits, p + 2 * row, sizeof(bits));
    return V::half(bits);
  };
  if constexpr (kForm<Type>.scale_form == ScaleForm::kGroups) {
    return half(super) * static_cast<float>(static_cast<int8_t>(scales[group * kPackRows + row]));
  } else if constexpr (kForm<Type>.scale_form == ScaleForm::kExponent) {
    const auto exponent = static_cast<uint32_t>(scales[group * kPackRows + row]);
    const uint32_t bits = exponent < 2 ? 0x200000u << exponent : (exponent - 1) << 23;
    float scale;
    __builtin_memcpy(&scale, &bits, sizeof(scale));
    return scale;
  } else {
    return half(scales + group * 2 * kPackRows);
  }
}

// The floats that the stored row stands for, to the last bit.
template <typename Type>
void dequantize_packed_row(const std::byte* packed, int64_t cols, int64_t row,
                           float* out) noexcept {
  constexpr PackedForm form = kForm<Type>;
  constexpr bool kSuper = form.scale_form == ScaleForm::kGroups;
  const std::byte* chunk = packed + row / kPackRows * panel_bytes<Type>(cols);
  const int lane = static_cast<int>(row % kPackRows);
  for (int64_t column = 0; column < cols; column += kChunkCols) {
    const int blocks = chunk_blocks(cols, column);
    const ChunkLayout layout = chunk_layout<Type>(blocks);
    BlockPlanes planes{chunk + layout.low, chunk + layout.high};
    for (int col = 0; col < blocks * kBlockCols; col += 4) {
      const int quad = col % kBlockCols / 4;
      if (quad == 0 && col > 0) {
        planes.low += form.low_bits * kLine;
        planes.high += form.high_bits * kLine;
      }
      int codes[4] = {};
      plane_codes<form.low_bits>(planes.low, lane, quad, 0, codes);
      if constexpr (form.high_bits > 0) {
        plane_codes<form.high_bits>(planes.high, lane, quad, form.low_bits, codes);
      }
      const int group = col / form.scale_values;
      const float scale = packed_scale<Type>(chunk + layout.scales, chunk, group, lane);
      float offset = 0;
      if constexpr (Type::kHasOffsets) {
        offset = packed_scale<Type>(chunk + layout.offsets, chunk + 2 * kPackRows, group, lane);
      }
      for (int i = 0; i < 4; ++i) {
        const float value = scale * code_value<Type>(codes[i]);
        if constexpr (Type::kHasOffsets) {
          out[column + col + i] = kSuper ? value + -offset : value + offset;
        } else {
          out[column + col + i] = value;
        }
      }
    }
    chunk += layout.bytes;
  }
}

}  // namespace
}  // namespace minim::kernels::MINIM_ISA
