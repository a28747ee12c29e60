// Products of packed weights with many tokens by the tile registers of AMX: sixteen tokens by
// thirty-two rows, a group of columns at a time. The sums of a group leave the tiles as whole
// numbers and meet their scales in vector registers, in the order of matmul_int8_many.inl.h: the
// results are the same to the last bit.
#pragma once

#include "kernels/amx_tiles.inl.h"
#include "kernels/matmul_int8_many.inl.h"

namespace minim::kernels::MINIM_ISA {
namespace {

static_assert(V::kLanes == kAmxLanes && kTileRows % kAmxLanes == 0);

// The sums of two groups by 16 tokens on their way from tiles to vectors: [group][token][row].
struct AmxDots {
  alignas(64) int32_t groups[2][kAmxRows * kAmxLanes];
};

// Tiles 0 and 1 hold sums, 4 and 5 tokens, 6 and 7 weights.
template <typename Form>
MINIM_INLINE void configure_int8(int tokens) {
  AmxConfig config;
  for (int i = 0; i < 2; ++i) {
    set_tile(config, i, tokens, kAmxRowBytes);
    set_tile(config, 4 + i, tokens, Form::kGroupCols);
    set_tile(config, 6 + i, Form::kGroupCols / 4, kAmxRowBytes);
  }
  load_config(config);
}

// Multiplies group `group` of 16 rows, whose weights lie at `weights`. kOdd: whether it is odd.
template <typename Form, int kOdd>
MINIM_INLINE void dot_group(const ByteTile& tile, const uint8_t* weights, int group) {
  load_tile<4 + kOdd>(tile.codes + group * Form::kGroupCols, tile.stride);
  load_tile<6 + kOdd>(weights + group * (Form::kGroupCols / 4 * kTileLine), kTileLine);
  zero_tile<kOdd>();
  dot_tiles_int8<kOdd, 4 + kOdd, 6 + kOdd>();
}

// totals += scale * dots + offset * sum of x, for the rows from `row` on.
template <typename Form>
MINIM_INLINE void add_group(const ByteTile& tile, int tokens, int row, int group,
                            const int32_t* dots, V::F (&totals)[kAmxRows]) {
  const V::F scale = V::load(tile.wide->scales + group * kTileRows + row);
  MINIM_UNROLL
  for (int t = 0; t < kAmxRows; ++t) {
    totals[t] = V::fma(V::float_i(V::load_i(dots + t * kAmxLanes)), scale, totals[t]);
  }
  if constexpr (Form::kHasOffsets) {
    const V::F offset = V::load(tile.wide->offsets + group * kTileRows + row);
    MINIM_UNROLL
    for (int t = 0; t < kAmxRows; ++t) {
      const int token = t < tokens ? t : 0;
      const int32_t* sum = advance(tile.sums, token * tile.stride) + group;
      totals[t] = V::fma(V::float_i(V::broadcast_i(sum)), offset, totals[t]);
    }
  }
}

// The next tokens at column `column` of the chunk, on their way into the first cache.
MINIM_INLINE void prefetch_tokens(const ByteTile& tile, int column) {
  const int8_t* next = tile.codes + kAmxRows * tile.stride + column;
  MINIM_UNROLL
  for (int t = 0; t < kAmxRows; ++t) __builtin_prefetch(next + t * tile.stride);
}

// Sixteen rows of a chunk, from `row` on, by `tokens` tokens, for which tiles are configured.
template <typename Form>
MINIM_INLINE void multiply_amx_rows(const ByteTile& tile, int tokens, int row) {
  AmxDots dots;
  V::F totals[kAmxRows];
  MINIM_UNROLL
  for (int t = 0; t < kAmxRows; ++t) totals[t] = V::zero();
  const uint8_t* weights = tile.wide->codes + 4 * row;
  // A group's sums leave their tile when the next one is under way, and are added up after that.
  dot_group<Form, 0>(tile, weights, 0);
  int group = 0;
  for (; group + 2 < tile.dots; group += 2) {
    dot_group<Form, 1>(tile, weights, group + 1);
    store_tile<0>(dots.groups[0], kAmxRowBytes);
    if (group > 0) add_group<Form>(tile, tokens, row, group - 1, dots.groups[1], totals);
    if (row == 0) prefetch_tokens(tile, group * Form::kGroupCols);
    dot_group<Form, 0>(tile, weights, group + 2);
    store_tile<1>(dots.groups[1], kAmxRowBytes);
    add_group<Form>(tile, tokens, row, group, dots.groups[0], totals);
  }
  const bool another = group + 1 < tile.dots;
  if (another) dot_group<Form, 1>(tile, weights, group + 1);
  store_tile<0>(dots.groups[0], kAmxRowBytes);
  if (group > 0) add_group<Form>(tile, tokens, row, group - 1, dots.groups[1], totals);
  if (row == 0) prefetch_tokens(tile, group * Form::kGroupCols);
  if (another) store_tile<1>(dots.groups[1], kAmxRowBytes);
  add_group<Form>(tile, tokens, row, group, dots.groups[0], totals);
  if (another) add_group<Form>(tile, tokens, row, group + 1, dots.groups[1], totals);
  MINIM_UNROLL
  for (int t = 0; t < kAmxRows; ++t) {
    if (t >= tokens) break;
    float* out = tile.out + t * kTileRows + row;
    const V::F scale = V::set(*advance(tile.scale, t * tile.stride));
    V::store(out, V::fma(totals[t], scale, V::load(out)));
  }
}

template <typename Form>
void multiply_amx_tile(const ByteTile& tile, int tokens) {
  for (int row = 0; row < kTileRows; row += kAmxLanes) multiply_amx_rows<Form>(tile, tokens, row);
}

struct AmxTiles {
  static constexpr int kStreamTokensMax = V::kStreamTokensMax;
  static constexpr int kTokenBlock = 6 * kAmxRows;

  template <typename Type>
  MINIM_INLINE void begin() {
    configure_int8<ArithmeticOf<Type>>(kAmxRows);
  }
  MINIM_INLINE void end() { release_tiles(); }

  // Signed codes, without their bias.
  template <typename Type>
  MINIM_INLINE void store_quads(uint8_t* lines, int row, V::I first, V::I second) {
    const V::I bias = _mm512_set1_epi8(static_cast<char>(kBias<Type>));
    RegisterTiles::store_quads<Type>(lines, row, _mm512_sub_epi8(first, bias),
                                     _mm512_sub_epi8(second, bias));
  }

  template <typename Type>
  MINIM_INLINE void multiply_chunk(ByteTile tile, int64_t tokens) {
    using Form = ArithmeticOf<Type>;
    for (; tokens >= kAmxRows; tokens -= kAmxRows) {
      multiply_amx_tile<Form>(tile, kAmxRows);
      skip_tokens(tile, kAmxRows);
    }
    if (tokens == 0) return;
    configure_int8<Form>(static_cast<int>(tokens));
    multiply_amx_tile<Form>(tile, static_cast<int>(tokens));
    configure_int8<Form>(kAmxRows);
  }

  static int64_t probe_products(int64_t steps) noexcept {
    return RegisterTiles::probe_products(steps);
  }
};

}  // namespace
}  // namespace minim::kernels::MINIM_ISA
