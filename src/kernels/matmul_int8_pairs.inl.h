// Products of packed weights with many tokens where the processor multiplies two rows by two
// tokens, eight columns of each, at once (FEAT_I8MM of Arm): twice the products of an instruction.
// A vector then holds the sums of two rows by two tokens. Each output adds the same numbers in the
// order of matmul_int8_many.inl.h: the results are the same to the last bit.
#pragma once

#include "kernels/matmul_int8_many.inl.h"

namespace minim::kernels::MINIM_ISA {
namespace {

constexpr int kPairCols = 8;
constexpr int kPairLine = kPairCols * kTileRows;  // bytes of eight columns
constexpr int kPairVectors = 4;  // of two rows: 12 dots and 12 sums with three pairs of tokens,
constexpr int kPairRows = 2 * kPairVectors;  // 4 weights and 3 activations in 32 registers
static_assert(V::kLanes == 4, "two rows by two tokens");
static_assert(kTileRows % kPairRows == 0);

// Some tokens at a chunk, two by two.
template <int kPairs>
struct TokenPairs {
  alignas(64) int8_t codes[kChunkCols * 2 * kPairs];       // [cols / 8][token][8]
  alignas(64) int32_t sums[kChunkCols / 16 * 2 * kPairs];  // [dots][token]
};

// The second token of the last pair may not exist; it is then the first once more.
template <typename Form, int kPairs>
MINIM_INLINE void pair_tokens(const ByteTile& tile, int tokens, TokenPairs<kPairs>& to) {
  for (int t = 0; t < 2 * kPairs; ++t) {
    const int64_t from = (t < tokens ? t : tokens - 1) * tile.stride;
    for (int i = 0; i < tile.dots * Form::kGroupCols / kPairCols; ++i) {
      __builtin_memcpy(to.codes + (i * 2 * kPairs + t) * kPairCols,
                       tile.codes + from + i * kPairCols, kPairCols);
    }
    if constexpr (Form::kHasBias || Form::kHasOffsets) {
      const int32_t* sums = advance(tile.sums, from);
      for (int dot = 0; dot < tile.dots; ++dot) to.sums[dot * 2 * kPairs + t] = sums[dot];
    }
  }
}

// The scales of a chunk, each twice: for both tokens of a pair.
struct ScalePairs {
  alignas(64) float scales[kChunkCols / 16 * kTileRows * 2];
  alignas(64) float offsets[kChunkCols / 16 * kTileRows * 2];
};

template <typename Form>
MINIM_INLINE void pair_scales(const ByteTile& tile, ScalePairs& to) {
  for (int i = 0; i < tile.dots * kTileRows; i += V::kLanes) {
    const V::F scale = V::load(tile.wide->scales + i);
    V::store_pairs(to.scales + 2 * i, scale, scale);
    if constexpr (Form::kHasOffsets) {
      const V::F offset = V::load(tile.wide->offsets + i);
      V::store_pairs(to.offsets + 2 * i, offset, offset);
    }
  }
}

// dots += a group of kPairRows rows by the tokens.
template <typename Form, int kPairs>
MINIM_INLINE void dot_pair_group(const uint8_t* weights, const int8_t* x,
                                 V::I (&dots)[kPairs][kPairVectors]) {
  for (int i = 0; i < Form::kGroupCols / kPairCols; ++i) {
    V::I codes[kPairVectors];
    MINIM_UNROLL
    for (int v = 0; v < kPairVectors; ++v) codes[v] = V::load_i(weights + v * 16);
    MINIM_UNROLL
    for (int p = 0; p < kPairs; ++p) {
      const V::I pair = V::load_i(x + p * 16);
      MINIM_UNROLL
      for (int v = 0; v < kPairVectors; ++v) dots[p][v] = V::dot_pairs(dots[p][v], codes[v], pair);
    }
    weights += kPairLine;
    x += 16 * kPairs;
  }
}

// kPairRows rows of a chunk, from `row` on, by the tokens of `x`, of which `tokens` exist.
template <typename Form, int kPairs>
void multiply_pair_rows(const ByteTile& tile, const TokenPairs<kPairs>& x, const ScalePairs& scales,
                        int row, int tokens) {
  V::F totals[kPairs][kPairVectors];
  MINIM_UNROLL
  for (int p = 0; p < kPairs; ++p) {
    MINIM_UNROLL
    for (int v = 0; v < kPairVectors; ++v) totals[p][v] = V::zero();
  }
  for (int dot = 0; dot < tile.dots; ++dot) {
    const int32_t* sums = x.sums + dot * 2 * kPairs;
    V::I dots[kPairs][kPairVectors];
    MINIM_UNROLL
    for (int p = 0; p < kPairs; ++p) {
      const V::I first = Form::kHasBias ? V::broadcast_pair(sums + 2 * p) : V::zero_i();
      MINIM_UNROLL
      for (int v = 0; v < kPairVectors; ++v) dots[p][v] = first;
    }
    dot_pair_group<Form>(
        tile.wide->codes + dot * (Form::kGroupCols / kPairCols) * kPairLine + row * kPairCols,
        x.codes + dot * Form::kGroupCols * 2 * kPairs, dots);
    const int at = 2 * (dot * kTileRows + row);
    MINIM_UNROLL
    for (int v = 0; v < kPairVectors; ++v) {
      const V::F scale = V::load(scales.scales + at + v * V::kLanes);
      MINIM_UNROLL
      for (int p = 0; p < kPairs; ++p) {
        totals[p][v] = V::fma(V::float_i(dots[p][v]), scale, totals[p][v]);
      }
    }
    if constexpr (Form::kHasOffsets) {
      MINIM_UNROLL
      for (int p = 0; p < kPairs; ++p) {
        const V::F sum = V::float_i(V::broadcast_pair(sums + 2 * p));
        MINIM_UNROLL
        for (int v = 0; v < kPairVectors; ++v) {
          totals[p][v] = V::fma(sum, V::load(scales.offsets + at + v * V::kLanes), totals[p][v]);
        }
      }
    }
  }
  const auto add = [&](int t, int v, V::F total) {
    if (t >= tokens) return;
    float* out = tile.out + t * kTileRows + row + 2 * v;
    const V::F scale = V::set(*advance(tile.scale, t * tile.stride));
    V::store(out, V::fma(total, scale, V::load(out)));
  };
  MINIM_UNROLL
  for (int p = 0; p < kPairs; ++p) {
    MINIM_UNROLL
    for (int v = 0; v < kPairVectors; v += 2) {
      add(2 * p, v, V::even_lanes(totals[p][v], totals[p][v + 1]));
      add(2 * p + 1, v, V::odd_lanes(totals[p][v], totals[p][v + 1]));
    }
  }
}

// As many tokens as `tokens` says, at most kPairs pairs.
template <typename Form, int kPairs>
void multiply_pair_tile(int64_t tokens, const ByteTile& tile, const ScalePairs& scales) {
  if constexpr (kPairs > 1) {
    if (tokens <= 2 * kPairs - 2) return multiply_pair_tile<Form, kPairs - 1>(tokens, tile, scales);
  }
  const int count = tokens < 2 * kPairs ? static_cast<int>(tokens) : 2 * kPairs;
  TokenPairs<kPairs> x;
  pair_tokens<Form>(tile, count, x);
  for (int row = 0; row < kTileRows; row += kPairRows) {
    multiply_pair_rows<Form>(tile, x, scales, row, count);
  }
}

struct PairTiles {
  static constexpr int kStreamTokensMax = V::kStreamTokens;
  static constexpr int kPairs = 3;
  static constexpr int kTokenBlock = 6 * 2 * kPairs;
  template <typename Type>
  MINIM_INLINE void begin() {}
  MINIM_INLINE void end() {}
  // Row by row, eight columns.
  template <typename Type>
  MINIM_INLINE void store_quads(uint8_t* lines, int row, V::I first, V::I second) {
    V::store_pairs(lines + row * kPairCols, first, second);
  }
  template <typename Type>
  MINIM_INLINE void multiply_chunk(ByteTile tile, int64_t tokens) {
    using Form = ArithmeticOf<Type>;
    ScalePairs scales;
    pair_scales<Form>(tile, scales);
    for (int64_t t = 0; t < tokens; t += 2 * kPairs) {
      multiply_pair_tile<Form, kPairs>(tokens - t, tile, scales);
      skip_tokens(tile, 2 * kPairs);
    }
  }
  static int64_t probe_products(int64_t steps) noexcept {
    return probe_sums(steps, 2 * 2 * kPairCols, V::zero_i(), [](V::I sums, V::I rows, V::I tokens) {
      return V::dot_pairs(sums, rows, tokens);
    });
  }
};

}  // namespace
}  // namespace minim::kernels::MINIM_ISA
