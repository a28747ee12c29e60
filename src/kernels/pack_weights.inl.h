// Packing: from blocks as files store them to panels (packed_weights.inl.h). Each row's part of the
// planes is made first, four bytes for each line; a transpose of words then interleaves the rows.
#pragma once

#include <type_traits>

#include "kernels/packed_weights.inl.h"

namespace minim::kernels::MINIM_ISA {
namespace {

// One row's part of the planes of a chunk.
template <typename Type>
struct PackedRows {
  static constexpr int bytes(int bits) { return kChunkCols / 8 * bits; }
  // Whole vectors of words, whatever their length.
  static constexpr int stride(int bits) { return bytes(bits) < kLine ? kLine : bytes(bits); }
  static constexpr int kLowStride = stride(kForm<Type>.low_bits);
  static constexpr int kHighStride = stride(kForm<Type>.high_bits);
  alignas(64) uint8_t low[kPackRows * kLowStride];
  alignas(64) uint8_t high[kForm<Type>.high_bits > 0 ? kPackRows* kHighStride : 1];
};

template <typename Word>
constexpr Word repeated_byte(int byte) {
  return static_cast<Word>(~Word{0} / 255 * static_cast<Word>(byte));
}

// The kBits above `place` of 32 bytes, as one row's part of a plane of a block.
template <int kBits>
MINIM_INLINE void fold_codes(const uint8_t* codes, int place, uint8_t* out) {
  constexpr int kBytes = kBlockCols / 8 * kBits;
  using Word = std::conditional_t<kBytes == 4, uint32_t, uint64_t>;
  constexpr Word kMask = repeated_byte<Word>((1 << kBits) - 1);
  MINIM_UNROLL
  for (int at = 0; at < kBytes; at += static_cast<int>(sizeof(Word))) {
    Word folded = 0;
    MINIM_UNROLL
    for (int part = 0; part < 8 / kBits; ++part) {
      Word word;
      __builtin_memcpy(&word, codes + at + part * kBytes, sizeof(word));
      folded |= (word >> place & kMask) << (kBits * part);
    }
    __builtin_memcpy(out + at, &folded, sizeof(folded));
  }
}

// Of blocks of 32 values, where bit i belongs to value i.
MINIM_INLINE void fold_bits(const uint8_t* bits, uint8_t* out) {
  uint32_t word;
  __builtin_memcpy(&word, bits, sizeof(word));
  uint32_t folded = 0;
  MINIM_UNROLL
  for (int part = 0; part < 8; ++part) {
    // The product has bit n of the four at bit 8 n, among others.
    folded |= ((word >> (4 * part) & 15) * 0x00204081 & 0x01010101) << part;
  }
  __builtin_memcpy(out, &folded, sizeof(folded));
}

// Nibbles whose values are 32 apart.
template <int kValues>
MINIM_INLINE void fold_nibble_pairs(const uint8_t* codes, uint8_t* low) {
  MINIM_UNROLL
  for (int at = 0; at < kValues / 2; at += 32) {
    fold_codes<4>(codes + at, 0, low + at);
    fold_codes<4>(codes + at, 4, low + at + 16);
  }
}

// The two bits that Q2_K, Q3_K, TQ2_0 and the high bits of Q6_K store alike.
MINIM_INLINE void fold_two_bits(const uint8_t* codes, uint8_t* out) {
  MINIM_UNROLL
  for (int block = 0; block < kChunkBlocks; ++block) {
    fold_codes<2>(codes + block / 4 * 32, block % 4 * 2, out + block * 8);
  }
}

// One bit of each value of a super-block, bit g of 32 bytes for its block g.
MINIM_INLINE void fold_one_bit(const uint8_t* bits, uint8_t* out) {
  MINIM_UNROLL
  for (int block = 0; block < kChunkBlocks; ++block) fold_codes<1>(bits, block, out + block * 4);
}

// One stored block as its row's part of the low and of the high plane; block_types.h draws how each
// type stores its codes.
template <typename Type>
MINIM_INLINE void pack_codes(const typename Type::Block& block, uint8_t* low, uint8_t* high) {
  constexpr DataType kType = Type::kType;
  if constexpr (kType == DataType::kQ8_0) {
    MINIM_VECTORIZE
    for (int i = 0; i < 32; ++i) low[i] = static_cast<uint8_t>(block.codes[i] + kBias<Type>);
  } else if constexpr (kType == DataType::kTq1_0) {
    Unpacked unpacked;
    Type::unpack(block, unpacked);
    alignas(64) uint8_t codes[Type::kValues];
    MINIM_VECTORIZE
    for (int i = 0; i < Type::kValues; ++i) codes[i] = static_cast<uint8_t>(unpacked.codes[i] + 1);
    for (int i = 0; i < Type::kValues; i += kBlockCols) fold_codes<2>(codes + i, 0, low + i / 4);
  } else if constexpr (kType == DataType::kTq2_0 || kType == DataType::kQ2_K) {
    fold_two_bits(block.codes, low);
  } else if constexpr (kType == DataType::kQ3_K) {
    fold_two_bits(block.codes, low);
    fold_one_bit(block.high_bits, high);
  } else if constexpr (kType == DataType::kQ4_K || kType == DataType::kNf4) {
    fold_nibble_pairs<Type::kValues>(block.codes, low);
  } else if constexpr (kType == DataType::kQ5_K) {
    fold_nibble_pairs<Type::kValues>(block.codes, low);
    fold_one_bit(block.high_bits, high);
  } else if constexpr (kType == DataType::kQ6_K) {
    MINIM_UNROLL
    for (int i = 0; i < kChunkBlocks; ++i) {  // four of a half: two low nibbles, two high ones
      fold_codes<4>(block.codes + i / 4 * 64 + i % 2 * 32, i % 4 / 2 * 4, low + i * 16);
    }
    fold_two_bits(block.high_bits, high);
  } else {  // nibbles 16 values apart: as in the plane
    static_assert(kForm<Type>.low_bits == 4);
    __builtin_memcpy(low, block.codes, sizeof(block.codes));
    if constexpr (kForm<Type>.high_bits > 0) fold_bits(block.high_bits, high);
  }
}

// Writes the scales of one stored block, row `row` of the panel, values from `begin` in the chunk.
template <typename Type>
MINIM_INLINE void pack_scales(const typename Type::Block& block, int begin, int row,
                              const ChunkLayout& layout, std::byte* chunk) {
  constexpr PackedForm form = kForm<Type>;
  const auto put_half = [&](int at, HalfBits bits) {
    __builtin_memcpy(chunk + at + 2 * row, &bits, sizeof(bits));
  };
  if constexpr (form.scale_form == ScaleForm::kExponent) {
    const int at = layout.scales + begin / form.scale_values * kPackRows + row;
    chunk[at] = static_cast<std::byte>(block.exponent);
  } else if constexpr (form.scale_form == ScaleForm::kHalf) {
    const int group = begin / form.scale_values * 2 * kPackRows;
    put_half(layout.scales + group, block.scale);
    if constexpr (Type::kHasOffsets) put_half(layout.offsets + group, block.minimum);
  } else {
    int8_t scales[16];
    int8_t minimums[16];
    Type::group_scales(block, scales, minimums);
    put_half(0, block.scale);
    if constexpr (Type::kHasOffsets) put_half(2 * kPackRows, block.minimum);
    for (int group = 0; group < Type::kValues / form.scale_values; ++group) {
      const int at = group * kPackRows + row;
      chunk[layout.scales + at] = static_cast<std::byte>(scales[group]);
      if constexpr (Type::kHasOffsets) {
        chunk[layout.offsets + at] = static_cast<std::byte>(minimums[group]);
      }
    }
  }
}

// Lines of a plane from the rows' parts: word `line` of every row.
MINIM_INLINE void interleave_rows(const uint8_t* rows, int stride, int lines, std::byte* plane) {
  const auto* words = reinterpret_cast<const float*>(rows);  // moves bits, whatever their type
  const int row_words = stride / 4;
  for (int line = 0; line < lines; line += V::kLanes) {
    alignas(64) float part[V::kLanes * kPackRows];
    const int count = lines - line < V::kLanes ? lines - line : V::kLanes;
    float* to = count == V::kLanes ? reinterpret_cast<float*>(plane + line * kLine) : part;
    for (int row = 0; row < kPackRows; row += V::kLanes) {
      V::transpose(words + row * row_words + line, row_words, to + row, kPackRows);
    }
    if (to == part) {
      __builtin_memcpy(plane + line * kLine, part, static_cast<size_t>(count) * kLine);
    }
  }
}

template <typename Type>
MINIM_INLINE void pack_chunk(const std::byte* stored, int64_t stride, int rows, int blocks,
                             PackedRows<Type>& parts, std::byte* chunk) {
  constexpr PackedForm form = kForm<Type>;
  const ChunkLayout layout = chunk_layout<Type>(blocks);
  __builtin_memset(chunk, 0, static_cast<size_t>(layout.low));
  for (int row = 0; row < rows; ++row) {
    const auto* block = reinterpret_cast<const typename Type::Block*>(stored + row * stride);
    uint8_t* low = parts.low + row * PackedRows<Type>::kLowStride;
    uint8_t* high = parts.high;
    if constexpr (form.high_bits > 0) high += row * PackedRows<Type>::kHighStride;
    for (int at = 0; at < blocks * kBlockCols; at += Type::kValues, ++block) {
      pack_codes<Type>(*block, low + at / 8 * form.low_bits, high + at / 8 * form.high_bits);
      pack_scales<Type>(*block, at, row, layout, chunk);
    }
  }
  interleave_rows(parts.low, PackedRows<Type>::kLowStride, blocks * form.low_bits,
                  chunk + layout.low);
  if constexpr (form.high_bits > 0) {
    interleave_rows(parts.high, PackedRows<Type>::kHighStride, blocks * form.high_bits,
                    chunk + layout.high);
  }
}

// Rows [row_begin, row_end) of `stored`, which is all rows. REQUIRES: row_begin % kPackRows == 0.
template <typename Type>
void pack_rows(const std::byte* stored, int64_t row_begin, int64_t row_end, int64_t cols,
               std::byte* packed) noexcept {
  const int64_t stride = row_bytes<Type>(cols);
  std::byte* chunk = packed + row_begin / kPackRows * panel_bytes<Type>(cols);
  PackedRows<Type> parts;
  __builtin_memset(&parts, 0, sizeof(parts));  // rows that a last panel lacks stay zero
  for (int64_t row = row_begin; row < row_end; row += kPackRows) {
    const int64_t left = row_end - row;
    const int rows = static_cast<int>(left < kPackRows ? left : kPackRows);
    if (rows < kPackRows) __builtin_memset(&parts, 0, sizeof(parts));
    // Of the next panel, whose rows lie one after the other: as many rows at once are too many for
    // the processor to see a pattern.
    const std::byte* next = stored + (row + kPackRows) * stride;
    for (int64_t column = 0; column < cols; column += kChunkCols) {
      const int blocks = chunk_blocks(cols, column);
      const int64_t next_bytes = kPackRows * row_bytes<Type>(blocks * kBlockCols);
      for (int64_t at = 0; at < next_bytes; at += kLine) __builtin_prefetch(next + at);
      next += next_bytes;
      pack_chunk<Type>(stored + row * stride + row_bytes<Type>(column), stride, rows, blocks, parts,
                       chunk);
      chunk += chunk_layout<Type>(blocks).bytes;
    }
  }
}

}  // namespace
}  // namespace minim::kernels::MINIM_ISA
