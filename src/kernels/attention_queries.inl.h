// The queries as the scores of a cache want them: floats for plain caches; for coded ones 8-bit
// codes, so that scores are dot products of bytes.
#pragma once

#include "kernels/attention_softmax.inl.h"

namespace minim::kernels::MINIM_ISA {
namespace {

// Hands out parts of a piece of memory, each on a cache line of its own; with none, only counts.
class ScratchParts {
 public:
  explicit ScratchParts(float* memory) : memory_(reinterpret_cast<char*>(memory)) {}
  template <typename Value>
  Value* take(int64_t count) {
    const int64_t at = bytes_;
    bytes_ += (count * static_cast<int64_t>(sizeof(Value)) + 63) / 64 * 64;
    return memory_ == nullptr ? nullptr : reinterpret_cast<Value*>(memory_ + at);
  }
  size_t floats() const { return static_cast<size_t>(bytes_) / sizeof(float); }

 private:
  char* memory_;
  int64_t bytes_ = 0;
};

template <int kBytes>
MINIM_INLINE void prefetch(const std::byte* at) {
  MINIM_UNROLL
  for (int i = 0; i < kBytes; i += 64) __builtin_prefetch(at + i);
}

// Scaled by what the scores are scaled by, and by log2(e).
struct Queries {
  int64_t padded;  // a head in whole blocks of codes, and so in whole vectors
  int blocks;
  float* floats;    // [rows, padded]; of coded caches null, as the others are of plain ones
  int8_t* codes;    // [rows, padded]
  int32_t* biases;  // [rows, blocks]: what takes the bias of the keys' codes off a sum
  float* scales;    // [rows, blocks]
};
static_assert(kCodeBlock % V::kLanes == 0);

MINIM_INLINE bool has_codes(DataType type) {
  return type == DataType::kQ8_0 || type == DataType::kQ4_0;
}

MINIM_INLINE Queries take_queries(ScratchParts& parts, DataType type, int64_t rows, int head_dim) {
  Queries queries{};
  queries.blocks = code_blocks(head_dim);
  queries.padded = int64_t{queries.blocks} * kCodeBlock;
  if (!has_codes(type)) {
    queries.floats = parts.take<float>(rows * queries.padded);
    return queries;
  }
  queries.codes = parts.take<int8_t>(rows * queries.padded);
  queries.biases = parts.take<int32_t>(rows * queries.blocks);
  queries.scales = parts.take<float>(rows * queries.blocks);
  return queries;
}

template <typename Codes>
constexpr bool kSignedKeys = Codes::kBits == 8 && V::kWideCodesSigned;

// A block's codes, its scale and the start of its sums.
template <typename Codes>
MINIM_INLINE void encode_query_block(const float* x, float factor, int8_t* codes, int32_t* bias,
                                     float* scale) {
  const BlockRange range = block_range(x);
  const float peak = range.high > -range.low ? range.high : -range.low;
  const V::F inverse = V::set(peak > 0x1p-100f ? 127.0f / peak : 0.0f);
  for (int i = 0; i < kCodeBlock; i += V::kLanes) {
    V::store_i8(codes + i, V::round(V::mul(V::load(x + i), inverse)));
  }
  int sum = 0;
  for (int i = 0; i < kCodeBlock; ++i) sum += codes[i];
  *bias = kSignedKeys<Codes> ? 0 : -Codes::kKeyBias * sum;
  *scale = peak / 127.0f * factor;
}

// Row `row` of the slice goes to row `to_row`.
template <typename Type>
MINIM_INLINE void fill_query(const AttentionSlice& slice, int row, const Queries& to, int to_row) {
  const float* from = slice.queries + row / slice.heads * slice.query_stride +
                      int64_t{row % slice.heads} * slice.head_dim;
  const float factor = slice.scale * kLog2E;
  if constexpr (!Type::kCoded) {
    float* floats = to.floats + to_row * to.padded;
    scale_to(factor, from, slice.head_dim, floats);
  } else {
    for (int block = 0; block < to.blocks; ++block) {
      const int left = slice.head_dim - block * kCodeBlock;
      const float* x = from + block * kCodeBlock;
      float padded[kCodeBlock];
      if (left < kCodeBlock) {
        __builtin_memset(padded, 0, sizeof(padded));
        __builtin_memcpy(padded, x, static_cast<size_t>(left) * sizeof(float));
        x = padded;
      }
      const int64_t at = int64_t{to_row} * to.blocks + block;
      encode_query_block<Type>(x, factor, to.codes + at * kCodeBlock, to.biases + at,
                               to.scales + at);
    }
  }
}

// sums[row][vector] += a word of each key times the queries' codes: four columns, or eight.
// The codes of kRows rows are `stride` apart.
template <typename Codes, int kRows, int kVectors>
MINIM_INLINE void dot_word(const V::I* keys, const int8_t* codes, int64_t stride,
                           V::I (*sums)[kVectors]) {
  V::I parts[kVectors][2];
  MINIM_UNROLL
  for (int v = 0; v < kVectors; ++v) {
    if constexpr (Codes::kBits == 4) {
      parts[v][0] = V::mask_bytes(keys[v], 15);
      parts[v][1] = V::mask_bytes(V::template shift_right<4>(keys[v]), 15);
    } else {
      parts[v][0] = kSignedKeys<Codes> ? V::flip_signs(keys[v]) : keys[v];
    }
  }
  MINIM_UNROLL
  for (int r = 0; r < kRows; ++r) {
    MINIM_UNROLL
    for (int part = 0; part < 8 / Codes::kBits; ++part) {
      const V::I query = V::broadcast_i(codes + r * stride + 4 * part);
      MINIM_UNROLL
      for (int v = 0; v < kVectors; ++v) {
        sums[r][v] = kSignedKeys<Codes> ? V::dot_signed(sums[r][v], parts[v][part], query)
                                        : V::dot(sums[r][v], parts[v][part], query);
      }
    }
  }
}

}  // namespace
}  // namespace minim::kernels::MINIM_ISA
