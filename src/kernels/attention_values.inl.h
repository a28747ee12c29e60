// The values of a span as attention adds them up: rows of floats, or of bytes that become floats in
// a register.
#pragma once

#include "kernels/attention_queries.inl.h"

namespace minim::kernels::MINIM_ISA {
namespace {

// Where values of four bits go that were made bytes.
struct ValueSource {
  int blocks;
  int8_t* nibbles;  // [low, high][kSpanKeys, blocks, 16]
};

MINIM_INLINE ValueSource take_value_source(ScratchParts& parts, int head_dim) {
  const int blocks = code_blocks(head_dim);
  return {blocks, parts.take<int8_t>(int64_t{kSpanKeys} * blocks * kCodeBlock)};
}

// Some columns of the values of a group: the vectors of a row, and from one row to the next.
template <int kVectors>
struct ValueColumns {
  const std::byte* vectors[kVectors];
  int64_t stride;
  int rest;  // columns left; matters only where one vector is not whole
};

template <typename Type, int kVectors>
MINIM_INLINE ValueColumns<kVectors> value_columns(const AttentionSlice& slice,
                                                  const ValueSource& source, const KeySpan& span,
                                                  int group, int at) {
  ValueColumns<kVectors> columns;
  columns.rest = slice.head_dim - at;
  const int64_t blocks = source.blocks;
  const std::byte* first = span.values + group * static_cast<int64_t>(slice.group_bytes);
  MINIM_UNROLL
  for (int v = 0; v < kVectors; ++v) {
    const int column = at + v * V::kLanes;
    if constexpr (!Type::kCoded) {
      columns.stride = int64_t{slice.head_dim} * Type::kBytes;
      columns.vectors[v] = first + column * Type::kBytes;
    } else if constexpr (Type::kBits == 8) {
      columns.stride = blocks * kCodeBlock;
      columns.vectors[v] = first + column;
    } else {
      columns.stride = blocks * 16;
      const int64_t half = column % kCodeBlock / 16 * kSpanKeys * columns.stride;
      const int64_t row = group * kGroup * columns.stride + column / kCodeBlock * 16 + column % 16;
      columns.vectors[v] = reinterpret_cast<const std::byte*>(source.nibbles) + half + row;
    }
  }
  return columns;
}

// A vector of values, or with kPartial the first `count` of one.
template <typename Type, bool kPartial>
MINIM_INLINE V::F load_values(const std::byte* at, [[maybe_unused]] int count) {
  if constexpr (Type::kCoded) {
    return V::load_i8(reinterpret_cast<const int8_t*>(at));
  } else if constexpr (kPartial) {
    return Type::load_partial(at, count);
  } else {
    return Type::load(at);
  }
}

constexpr uint8_t kNibbleLevels[16] = {0xf8, 0xf9, 0xfa, 0xfb, 0xfc, 0xfd, 0xfe, 0xff,
                                       0,    1,    2,    3,    4,    5,    6,    7};

// source.nibbles = the values of the span, which must have four bits, as signed bytes.
MINIM_INLINE void unpack_nibbles(const AttentionSlice& slice, const ValueSource& source,
                                 const KeySpan& span) {
  const V::Table levels = V::load_table(kNibbleLevels);
  const int64_t bytes = int64_t{kGroup} * source.blocks * 16;
  for (int group = 0; group * kGroup < span.end; ++group) {
    const int64_t offset = group * static_cast<int64_t>(slice.group_bytes);
    int8_t* low = source.nibbles + group * bytes;
    int8_t* high = low + 2 * bytes;
    for (int64_t i = 0; i < bytes; i += 4 * V::kLanes) {
      const V::I both = V::load_i(span.values + offset + i);
      V::store_i(low + i, V::lookup_bytes(levels, V::mask_bytes(both, 15)));
      V::store_i(high + i,
                 V::lookup_bytes(levels, V::mask_bytes(V::template shift_right<4>(both), 15)));
    }
  }
}

}  // namespace
}  // namespace minim::kernels::MINIM_ISA
