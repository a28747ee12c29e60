// Products of packed weights with many tokens: panels become bytes in the cache, and tiles of rows
// by tokens run along them. How a tile is multiplied is a policy: in vector registers here, two
// rows by two tokens at once in matmul_int8_pairs.inl.h, by a matrix unit in matmul_int8_amx.inl.h.
#pragma once

#include "kernels/int8_activations.inl.h"
#include "kernels/int8_probe.inl.h"

namespace minim::kernels::MINIM_ISA {
namespace {

constexpr int kTileRows = V::kTileVectors * V::kLanes;
constexpr int kTilePacks = kTileRows / kPackRows;
constexpr int kTileLine = 4 * kTileRows;  // bytes of a quad
static_assert(kTileRows % kPackRows == 0);

// Chunks that are wide at a time: up to 8192 columns of a panel, in the second cache.
constexpr int kWideChunks = 32;

// A chunk of kTileRows rows, widened: the bytes that are multiplied, and all scales as floats.
struct WideChunk {
  alignas(64) uint8_t codes[kChunkCols / 4 * kTileLine];
  alignas(64) float scales[kChunkCols / 16 * kTileRows];
  alignas(64) float offsets[kChunkCols / 16 * kTileRows];
};

// `lines`: those of the quads of a block, for whose row `row` and its neighbours `vector` stands.
template <typename Type, typename Tiles, int kQuad>
MINIM_INLINE void widen_quads(const BlockPlanes& planes, int vector, V::Table table, int row,
                              uint8_t* lines) {
  if constexpr (kQuad < kQuads) {
    const V::I first = load_quad<Type, kQuad>(planes, vector, table);
    const V::I second = load_quad<Type, kQuad + 1>(planes, vector, table);
    Tiles::template store_quads<Type>(lines + kQuad * kTileLine, row, first, second);
    widen_quads<Type, Tiles, kQuad + 2>(planes, vector, table, row, lines);
  }
}

// Fills the part of one pack of rows, from row `first_row` of the chunk on.
template <typename Type, typename Tiles>
void widen_chunk(const std::byte* chunk, int blocks, int first_row, WideChunk& wide) {
  constexpr PackedForm form = kForm<Type>;
  const ChunkLayout layout = chunk_layout<Type>(blocks);
  alignas(16) uint8_t levels[16];
  const V::Table table = level_table<Type>(levels);
  for (int v = 0; v < kPackVectors; ++v) {
    const int row = first_row + v * V::kLanes;
    BlockPlanes planes{chunk + layout.low, chunk + layout.high};
    for (int block = 0; block < blocks; ++block) {
      widen_quads<Type, Tiles, 0>(planes, v, table, row, wide.codes + block * kQuads * kTileLine);
      planes.low += form.low_bits * kLine;
      planes.high += form.high_bits * kLine;
    }
    const SuperScales<Type> super = load_super_scales<Type>(chunk, v);
    for (int dot = 0; dot < blocks * kBlockCols / kDotCols<Type>; ++dot) {
      const int group = dot * kDotCols<Type> / form.scale_values;
      V::store(wide.scales + dot * kTileRows + row,
               load_group<Type>(chunk + layout.scales, super.scale, group, v));
      if constexpr (Type::kHasOffsets) {
        V::store(wide.offsets + dot * kTileRows + row,
                 load_group<Type>(chunk + layout.offsets, super.offset, group, v));
      }
    }
  }
}

// A wide chunk by some tokens.
struct ByteTile {
  const WideChunk* wide;
  int dots;             // groups of columns
  const int8_t* codes;  // of the first token at this chunk
  const int32_t* sums;
  const float* scale;
  int64_t stride;  // bytes from one token to the next
  float* out;      // [tokens, kTileRows], added to
};

template <typename T>
MINIM_INLINE const T* advance(const T* from, int64_t bytes) {
  return reinterpret_cast<const T*>(reinterpret_cast<const std::byte*>(from) + bytes);
}

// sums[token][vector] += kQuadCount quads of a tile.
template <typename Form, int kQuadCount, int kTokens, typename Sums>
MINIM_INLINE void dot_tile(const uint8_t* weights, const int8_t* x, int64_t stride,
                           Sums (&sums)[kTokens][V::kTileVectors]) {
  for (int quad = 0; quad < kQuadCount; ++quad, weights += kTileLine, x += 4) {
    V::I codes[V::kTileVectors];
    MINIM_UNROLL
    for (int v = 0; v < V::kTileVectors; ++v) codes[v] = V::load_i(weights + v * 4 * V::kLanes);
    MINIM_UNROLL
    for (int t = 0; t < kTokens; ++t) {
      const V::I four = V::broadcast_i(x + t * stride);
      MINIM_UNROLL
      for (int v = 0; v < V::kTileVectors; ++v) {
        sums[t][v] = dot_codes<Form>(sums[t][v], codes[v], four);
      }
    }
  }
}

// A group of a tile, in runs where those are longer than a quad.
template <typename Form, int kTokens>
MINIM_INLINE void dot_tile_group(const uint8_t* weights, const int8_t* x, int64_t stride,
                                 V::I (&dots)[kTokens][V::kTileVectors]) {
  constexpr int kGroupQuads = Form::kGroupCols / 4;
  constexpr int kRun = Form::kRunQuads;
  if constexpr (kRun == 1) return dot_tile<Form, kGroupQuads>(weights, x, stride, dots);
  for (int quad = 0; quad < kGroupQuads; quad += kRun) {
    V::Narrow sums[kTokens][V::kTileVectors];
    MINIM_UNROLL
    for (int t = 0; t < kTokens; ++t) {
      MINIM_UNROLL
      for (int v = 0; v < V::kTileVectors; ++v) sums[t][v] = V::zero_narrow();
    }
    dot_tile<Form, kRun>(weights + quad * kTileLine, x + 4 * quad, stride, sums);
    MINIM_UNROLL
    for (int t = 0; t < kTokens; ++t) {
      MINIM_UNROLL
      for (int v = 0; v < V::kTileVectors; ++v) dots[t][v] = V::add_narrow(dots[t][v], sums[t][v]);
    }
  }
}

template <typename Form, int kTokens>
void multiply_byte_tile(const ByteTile& tile) {
  constexpr int kVectors = V::kTileVectors;
  constexpr int kGroupQuads = Form::kGroupCols / 4;
  V::F totals[kTokens][kVectors];
  MINIM_UNROLL
  for (int t = 0; t < kTokens; ++t) {
    MINIM_UNROLL
    for (int v = 0; v < kVectors; ++v) totals[t][v] = V::zero();
  }
  const uint8_t* weights = tile.wide->codes;
  const int8_t* x = tile.codes;
  for (int dot = 0; dot < tile.dots; ++dot) {
    V::I dots[kTokens][kVectors];
    MINIM_UNROLL
    for (int t = 0; t < kTokens; ++t) {
      const V::I first = first_dot<Form>(advance(tile.sums, t * tile.stride) + dot);
      MINIM_UNROLL
      for (int v = 0; v < kVectors; ++v) dots[t][v] = first;
    }
    dot_tile_group<Form>(weights, x, tile.stride, dots);
    weights += kGroupQuads * kTileLine;
    x += Form::kGroupCols;
    const float* scales = tile.wide->scales + dot * kTileRows;
    const float* offsets = tile.wide->offsets + dot * kTileRows;
    MINIM_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      const V::F scale = V::load(scales + v * V::kLanes);
      MINIM_UNROLL
      for (int t = 0; t < kTokens; ++t) {
        totals[t][v] = V::fma(V::float_i(dots[t][v]), scale, totals[t][v]);
      }
    }
    if constexpr (Form::kHasOffsets) {
      MINIM_UNROLL
      for (int t = 0; t < kTokens; ++t) {
        const V::F sum = V::float_i(V::broadcast_i(advance(tile.sums, t * tile.stride) + dot));
        MINIM_UNROLL
        for (int v = 0; v < kVectors; ++v) {
          totals[t][v] = V::fma(sum, V::load(offsets + v * V::kLanes), totals[t][v]);
        }
      }
    }
  }
  MINIM_UNROLL
  for (int t = 0; t < kTokens; ++t) {
    const V::F scale = V::set(*advance(tile.scale, t * tile.stride));
    MINIM_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      float* out = tile.out + t * kTileRows + v * V::kLanes;
      V::store(out, V::fma(totals[t][v], scale, V::load(out)));
    }
  }
}

template <typename Form, int kTokens>
MINIM_INLINE void multiply_byte_tiles(int64_t tokens, const ByteTile& tile) {
  if (tokens >= kTokens) return multiply_byte_tile<Form, kTokens>(tile);
  if constexpr (kTokens > 1) multiply_byte_tiles<Form, kTokens - 1>(tokens, tile);
}

MINIM_INLINE void skip_tokens(ByteTile& tile, int64_t tokens) {
  tile.codes += tokens * tile.stride;
  tile.sums = advance(tile.sums, tokens * tile.stride);
  tile.scale = advance(tile.scale, tokens * tile.stride);
  tile.out += tokens * kTileRows;
}

struct RegisterTiles {
  static constexpr int kStreamTokensMax = V::kStreamTokensMax;  // more go this way
  // Tokens whose sums, with a chunk of them and of the weights, stay in the first cache.
  static constexpr int kTokenBlock = 6 * V::kByteTileTokens;
  template <typename Type>
  MINIM_INLINE void begin() {}
  MINIM_INLINE void end() {}
  // Puts what load_quad() gave for two quads of row `row` and its neighbours into their two lines.
  template <typename Type>
  MINIM_INLINE void store_quads(uint8_t* lines, int row, V::I first, V::I second) {
    V::store_i(lines + 4 * row, first);
    V::store_i(lines + kTileLine + 4 * row, second);
  }
  // A whole chunk by `tokens` tokens.
  template <typename Type>
  MINIM_INLINE void multiply_chunk(ByteTile tile, int64_t tokens) {
    constexpr int kTokens = V::kByteTileTokens;
    for (int64_t t = 0; t < tokens; t += kTokens) {
      multiply_byte_tiles<ArithmeticOf<Type>, kTokens>(tokens - t, tile);
      skip_tokens(tile, kTokens);
    }
  }
  // For benchmarks; see Int8Kernels.
  static int64_t probe_products(int64_t steps) noexcept {
    const auto dot = [](auto sums, V::I weights, V::I x) { return V::dot(sums, weights, x); };
    if constexpr (V::kNarrowProducts > 0) {
      return probe_sums(steps, 4 * V::kLanes, V::zero_narrow(), dot);
    } else {
      return probe_sums(steps, 4 * V::kLanes, V::zero_i(), dot);
    }
  }
};

// The wide part of a matrix: columns [column, column + cols) of `panels` times kTileRows rows.
struct WideBlock {
  WideChunk chunks[kWideChunks];
  int64_t column;
  int64_t cols;
  int chunks_per_panel;
  int panels;
};

// Widens as many panels from `row` on as fit.
template <typename Type, typename Tiles>
void widen_block(const MatmulSlice& slice, int64_t row, int64_t column, WideBlock& block) {
  const int64_t left = slice.cols - column;
  block.column = column;
  block.cols = left < kWideChunks * kChunkCols ? left : kWideChunks * kChunkCols;
  block.chunks_per_panel = static_cast<int>((block.cols + kChunkCols - 1) / kChunkCols);
  const int64_t panels = (slice.row_end - row + kTileRows - 1) / kTileRows;
  // The same for all columns of these rows.
  const int fit = slice.cols > kWideChunks * kChunkCols ? 1 : kWideChunks / block.chunks_per_panel;
  block.panels = panels < fit ? static_cast<int>(panels) : fit;
  const int64_t bytes = panel_bytes<Type>(slice.cols);
  for (int panel = 0; panel < block.panels; ++panel) {
    const int64_t first = row + panel * kTileRows;
    for (int pack = 0; pack < kTilePacks; ++pack) {
      if (first + pack * kPackRows >= slice.row_end) break;  // those lanes are not stored
      const std::byte* chunk = slice.weights + (first / kPackRows + pack) * bytes +
                               column / kChunkCols * chunk_layout<Type>(kChunkBlocks).bytes;
      for (int c = 0; c < block.chunks_per_panel; ++c) {
        widen_chunk<Type, Tiles>(chunk, chunk_blocks(slice.cols, column + c * kChunkCols),
                                 pack * kPackRows,
                                 block.chunks[panel * block.chunks_per_panel + c]);
        chunk += chunk_layout<Type>(kChunkBlocks).bytes;
      }
    }
  }
}

// sums[tokens, kTileRows] += a panel of the block by `tokens` tokens from `token` on.
template <typename Type, typename Tiles>
void multiply_wide_panel(const MatmulSlice& slice, const WideBlock& block, int panel, int64_t token,
                         int64_t tokens, float* sums) {
  const PreparedRow x =
      prepared_row<kDotCols<Type>>(slice.input + token * slice.input_stride, slice.cols);
  for (int c = 0; c < block.chunks_per_panel; ++c) {
    const int64_t column = block.column + c * kChunkCols;
    ByteTile tile;
    tile.wide = &block.chunks[panel * block.chunks_per_panel + c];
    tile.dots = chunk_blocks(slice.cols, column) * kBlockCols / kDotCols<Type>;
    tile.codes = x.codes + column;
    tile.sums = x.sums + column / kDotCols<Type>;
    tile.scale = x.scales + column / kChunkCols;
    tile.stride = slice.input_stride;
    tile.out = sums;
    Tiles::template multiply_chunk<Type>(tile, tokens);
  }
}

// Visits the sums of a panel beside their places in the output: move(sums, out, lanes).
template <typename Move>
MINIM_INLINE void move_sums(const MatmulSlice& slice, int64_t row, int64_t token, int64_t tokens,
                            float* sums, Move move) {
  const int64_t left = slice.row_end - row;
  const int rows = static_cast<int>(left < kTileRows ? left : kTileRows);
  for (int64_t t = 0; t < tokens; ++t) {
    float* out = slice.out + (token + t) * slice.out_stride + row;
    for (int v = 0; v < V::kTileVectors; ++v) {
      move(sums + t * kTileRows + v * V::kLanes, out + v * V::kLanes, lanes_left(rows, v));
    }
  }
}

template <typename Type, typename Tiles>
void multiply_wide_block(const MatmulSlice& slice, int64_t row, const WideBlock& block) {
  constexpr int kTokenBlock = Tiles::kTokenBlock;
  alignas(64) float sums[kTokenBlock * kTileRows];
  for (int64_t token = 0; token < slice.tokens; token += kTokenBlock) {
    const int64_t left = slice.tokens - token;
    const int64_t tokens = left < kTokenBlock ? left : kTokenBlock;
    for (int panel = 0; panel < block.panels; ++panel) {
      const int64_t first = row + panel * kTileRows;
      move_sums(slice, first, token, tokens, sums, [&](float* to, float* out, int lanes) {
        V::store(to, block.column == 0 || lanes == 0 ? V::zero() : V::load_partial(out, lanes));
      });
      multiply_wide_panel<Type, Tiles>(slice, block, panel, token, tokens, sums);
      move_sums(slice, first, token, tokens, sums,
                [](float* from, float* out, int lanes) { store_rows(out, V::load(from), lanes); });
    }
  }
}

template <typename Type, typename Tiles>
void multiply_wide(const MatmulSlice& slice) {
  WideBlock block;
  for (int64_t row = slice.row_begin; row < slice.row_end; row += block.panels * kTileRows) {
    for (int64_t column = 0; column < slice.cols; column += block.cols) {
      widen_block<Type, Tiles>(slice, row, column, block);
      multiply_wide_block<Type, Tiles>(slice, row, block);
    }
  }
}

}  // namespace
}  // namespace minim::kernels::MINIM_ISA
