// Products of packed weights with activations rounded to 8 bits:
//   sum over chunks of 256 columns: scale of x * sum over groups of 16 or 32:
//     scale * (codes . codes of x) + offset * sum(codes of x)
// The products within a group are whole numbers and exact; so each output is one chain over the
// groups and chunks, whatever the rows, tokens and slices around it.
//
// Few tokens: panels stream through once, their codes widened in registers. Many tokens: panels
// become bytes in the cache, and a register tile of rows by tokens runs along them.
#pragma once

#include "kernels/kernel_table.h"
#include "kernels/lanes.inl.h"
#include "kernels/packed_weights.inl.h"

namespace minim::kernels::MINIM_ISA {
namespace {

// ---- activations -------------------------------------------------------------------------------

// One token's activations, as prepare_int8() lays them out: bytes, then group sums, then scales.
struct PreparedRow {
  const int8_t* codes;  // [cols]
  const int32_t* sums;  // [cols / kDotCols], times -bias for types with a bias
  const float* scales;  // [chunks]
};

MINIM_INLINE int64_t whole_lines(int64_t bytes) { return (bytes + kLine - 1) / kLine * kLine; }

template <int kGroupCols>
MINIM_INLINE PreparedRow prepared_row(const std::byte* row, int64_t cols) {
  const std::byte* sums = row + whole_lines(cols);
  const std::byte* scales = sums + whole_lines(cols / kGroupCols * 4);
  return {reinterpret_cast<const int8_t*>(row), reinterpret_cast<const int32_t*>(sums),
          reinterpret_cast<const float*>(scales)};
}

template <int kGroupCols>
size_t prepared_int8_bytes(int64_t cols) noexcept {
  const int64_t chunks = (cols + kChunkCols - 1) / kChunkCols;
  const int64_t bytes =
      whole_lines(cols) + whole_lines(cols / kGroupCols * 4) + whole_lines(chunks * 4);
  // An odd number of cache lines, so that the tokens of a tile do not evict each other.
  return static_cast<size_t>((bytes / kLine | 1) * kLine);
}

// Rounds `count` values to codes in [-127, 127]; returns their scale, NaN where a value is not
// finite. REQUIRES: count is a multiple of 32.
MINIM_INLINE float round_chunk(const float* x, int64_t count, int8_t* codes) {
  V::F largest = V::zero();
  V::F poison = V::zero();
  for (int64_t i = 0; i < count; i += V::kLanes) {
    const V::F values = V::load(x + i);
    largest = V::max(largest, V::abs(values));
    poison = V::fma(values, V::zero(), poison);
  }
  const float magnitude = V::reduce_max(largest);
  const V::F inverse = V::set(magnitude > 0 ? 127.0f / magnitude : 0.0f);
  for (int64_t i = 0; i < count; i += V::kLanes) {
    // The quotient may round up past 127 where the magnitude is subnormal.
    V::store_i8(codes + i, V::min(V::round(V::mul(V::load(x + i), inverse)), V::set(127.0f)));
  }
  return magnitude / 127.0f + V::reduce_add(poison);
}

template <int kGroupCols, int kFactor>
void prepare_int8(const float* x, int64_t cols, std::byte* prepared) noexcept {
  const PreparedRow row = prepared_row<kGroupCols>(prepared, cols);
  auto* codes = const_cast<int8_t*>(row.codes);
  auto* sums = const_cast<int32_t*>(row.sums);
  auto* scales = const_cast<float*>(row.scales);
  for (int64_t column = 0; column < cols; column += kChunkCols) {
    const int64_t left = cols - column;
    const int64_t count = left < kChunkCols ? left : kChunkCols;
    *scales++ = round_chunk(x + column, count, codes + column);
  }
  for (int64_t column = 0; column < cols; column += kGroupCols) {
    int32_t sum = 0;
    for (int i = 0; i < kGroupCols; ++i) sum += codes[column + i];
    *sums++ = sum * kFactor;
  }
}

// What the arithmetic knows of a type: the tiles of types that are alike are the same code.
template <bool kSigned, bool kBiased, int kCols, bool kWithOffsets>
struct Arithmetic {
  static constexpr bool kSignedBytes = kSigned;
  static constexpr bool kHasBias = kBiased;
  static constexpr int kGroupCols = kCols;
  static constexpr bool kHasOffsets = kWithOffsets;
};
template <typename Type>
using ArithmeticOf =
    Arithmetic<kSignedCodes<Type>, kBias<Type> != 0, kDotCols<Type>, Type::kHasOffsets>;

template <typename Form>
MINIM_INLINE V::I dot_codes(V::I sums, V::I weights, V::I x) {
  if constexpr (Form::kSignedBytes) {
    return V::dot_signed(sums, weights, x);
  } else {
    return V::dot(sums, weights, x);
  }
}

// Where the dot products of a group begin: at what takes the bias off the codes.
template <typename Form>
MINIM_INLINE V::I first_dot(const int32_t* sum) {
  if constexpr (Form::kHasBias) {
    return V::broadcast_i(sum);
  } else {
    return V::zero_i();
  }
}

// ---- few tokens --------------------------------------------------------------------------------

constexpr int64_t kPrefetchBytes = 4096;  // ahead: beyond what the processor fetches on its own

// kTokens tokens at the chunk at hand.
template <int kTokens>
struct StreamInput {
  const int8_t* codes[kTokens];
  const int32_t* sums[kTokens];
};

// Adds quads [kFirst, kFirst + kCount) of block `block` to the dots.
template <typename Type, int kTokens, int kFirst, int kCount>
MINIM_INLINE void dot_quads(const BlockPlanes& planes, int block, int vector, V::Table table,
                            const StreamInput<kTokens>& x, V::I* dots) {
  if constexpr (kCount > 0) {
    const V::I codes = load_quad<Type, kFirst>(planes, vector, table);
    MINIM_UNROLL
    for (int t = 0; t < kTokens; ++t) {
      const int8_t* four = x.codes[t] + block * kBlockCols + 4 * kFirst;
      dots[t] = dot_codes<ArithmeticOf<Type>>(dots[t], codes, V::broadcast_i(four));
    }
    dot_quads<Type, kTokens, kFirst + 1, kCount - 1>(planes, block, vector, table, x, dots);
  }
}

// A chunk of one vector of rows.
template <typename Type>
struct StreamChunk {
  const std::byte* data;
  ChunkLayout layout;
  int vector;
  V::Table table;
  SuperScales<Type> super;
};

// totals += the groups of a block from quad kFirst on, but for the scale of x.
template <typename Type, int kTokens, int kFirst>
MINIM_INLINE void stream_groups(const StreamChunk<Type>& chunk, const BlockPlanes& planes,
                                int block, const StreamInput<kTokens>& x, V::F* totals) {
  constexpr int kGroupQuads = kDotCols<Type> / 4;
  if constexpr (kFirst < kQuads) {
    const int column = block * kBlockCols + 4 * kFirst;
    const int dot = column / kDotCols<Type>;
    const int group = column / kForm<Type>.scale_values;
    V::I dots[kTokens];
    MINIM_UNROLL
    for (int t = 0; t < kTokens; ++t) dots[t] = first_dot<ArithmeticOf<Type>>(x.sums[t] + dot);
    dot_quads<Type, kTokens, kFirst, kGroupQuads>(planes, block, chunk.vector, chunk.table, x,
                                                  dots);
    const V::F scale =
        load_group<Type>(chunk.data + chunk.layout.scales, chunk.super.scale, group, chunk.vector);
    MINIM_UNROLL
    for (int t = 0; t < kTokens; ++t) totals[t] = V::fma(V::float_i(dots[t]), scale, totals[t]);
    if constexpr (Type::kHasOffsets) {
      const V::F offset = load_group<Type>(chunk.data + chunk.layout.offsets, chunk.super.offset,
                                           group, chunk.vector);
      MINIM_UNROLL
      for (int t = 0; t < kTokens; ++t) {
        totals[t] = V::fma(V::float_i(V::broadcast_i(x.sums[t] + dot)), offset, totals[t]);
      }
    }
    stream_groups<Type, kTokens, kFirst + kGroupQuads>(chunk, planes, block, x, totals);
  }
}

// totals = what the chunk gives, but for the scale of x.
template <typename Type, int kTokens>
MINIM_INLINE void stream_chunk(const StreamChunk<Type>& chunk, int blocks,
                               const StreamInput<kTokens>& x, V::F* totals) {
  constexpr PackedForm form = kForm<Type>;
  constexpr int kStep = chunk_layout<Type>(kChunkBlocks).bytes / kChunkBlocks;
  BlockPlanes planes{chunk.data + chunk.layout.low, chunk.data + chunk.layout.high};
  MINIM_UNROLL
  for (int t = 0; t < kTokens; ++t) totals[t] = V::zero();
  for (int block = 0; block < blocks; ++block) {
    if (chunk.vector == 0) {
      MINIM_UNROLL
      for (int at = 0; at < kStep; at += kLine) {
        __builtin_prefetch(chunk.data + block * kStep + at + kPrefetchBytes);
      }
    }
    stream_groups<Type, kTokens, 0>(chunk, planes, block, x, totals);
    planes.low += form.low_bits * kLine;
    planes.high += form.high_bits * kLine;
  }
}

// The panel of `row` by kTokens tokens from `token` on.
template <typename Type, int kTokens>
void stream_panel(const MatmulSlice& slice, const std::byte* panel, int64_t row, int64_t token) {
  alignas(16) uint8_t levels[16];
  StreamChunk<Type> chunk{panel, {}, 0, level_table<Type>(levels), {}};
  StreamInput<kTokens> x;
  const float* scales[kTokens];
  V::F sums[kPackVectors][kTokens];
  MINIM_UNROLL
  for (int t = 0; t < kTokens; ++t) {
    const PreparedRow prepared =
        prepared_row<kDotCols<Type>>(slice.input + (token + t) * slice.input_stride, slice.cols);
    x.codes[t] = prepared.codes;
    x.sums[t] = prepared.sums;
    scales[t] = prepared.scales;
    MINIM_UNROLL
    for (int v = 0; v < kPackVectors; ++v) sums[v][t] = V::zero();
  }
  for (int64_t column = 0; column < slice.cols; column += kChunkCols) {
    const int blocks = chunk_blocks(slice.cols, column);
    chunk.layout = chunk_layout<Type>(blocks);
    MINIM_UNROLL
    for (int v = 0; v < kPackVectors; ++v) {
      chunk.vector = v;
      chunk.super = load_super_scales<Type>(chunk.data, v);
      V::F totals[kTokens];
      stream_chunk<Type, kTokens>(chunk, blocks, x, totals);
      MINIM_UNROLL
      for (int t = 0; t < kTokens; ++t) {
        sums[v][t] = V::fma(totals[t], V::set(*scales[t]), sums[v][t]);
      }
    }
    MINIM_UNROLL
    for (int t = 0; t < kTokens; ++t) {
      x.codes[t] += kChunkCols;
      x.sums[t] += kChunkCols / kDotCols<Type>;
      ++scales[t];
    }
    chunk.data += chunk.layout.bytes;
  }
  const int rows = static_cast<int>(slice.row_end - row);
  MINIM_UNROLL
  for (int t = 0; t < kTokens; ++t) {
    float* out = slice.out + (token + t) * slice.out_stride + row;
    for (int v = 0; v < kPackVectors; ++v) {
      store_rows(out + v * V::kLanes, sums[v][t], lanes_left(rows, v));
    }
  }
}

// All tokens of the slice by one panel, kTokens at a time and then fewer.
template <typename Type, int kTokens>
MINIM_INLINE void stream_tokens(const MatmulSlice& slice, const std::byte* panel, int64_t row,
                                int64_t token) {
  for (; token + kTokens <= slice.tokens; token += kTokens) {
    stream_panel<Type, kTokens>(slice, panel, row, token);
  }
  if constexpr (kTokens > 1) stream_tokens<Type, kTokens / 2>(slice, panel, row, token);
}

// ---- many tokens -------------------------------------------------------------------------------

constexpr int kTileRows = V::kTileVectors * V::kLanes;
constexpr int kTilePacks = kTileRows / kPackRows;
constexpr int kTileLine = 4 * kTileRows;  // bytes of a quad
static_assert(kTileRows % kPackRows == 0);

// Tokens whose sums, with a chunk of them and of the weights, stay in the first cache.
constexpr int kTokenBlock = 6 * V::kByteTileTokens;
// Chunks that are wide at a time: up to 8192 columns of a panel, in the second cache.
constexpr int kWideChunks = 32;

// A chunk of kTileRows rows, widened: the bytes that are multiplied, and all scales as floats.
struct WideChunk {
  alignas(64) uint8_t codes[kChunkCols / 4 * kTileLine];
  alignas(64) float scales[kChunkCols / 16 * kTileRows];
  alignas(64) float offsets[kChunkCols / 16 * kTileRows];
};

template <typename Type, int kQuad>
MINIM_INLINE void widen_quads(const BlockPlanes& planes, int vector, V::Table table,
                              uint8_t* codes) {
  if constexpr (kQuad < kQuads) {
    V::store_i(codes + kQuad * kTileLine, load_quad<Type, kQuad>(planes, vector, table));
    widen_quads<Type, kQuad + 1>(planes, vector, table, codes);
  }
}

// Fills the part of one pack of rows, from row `first_row` of the chunk on.
template <typename Type>
void widen_chunk(const std::byte* chunk, int blocks, int first_row, WideChunk& wide) {
  constexpr PackedForm form = kForm<Type>;
  const ChunkLayout layout = chunk_layout<Type>(blocks);
  alignas(16) uint8_t levels[16];
  const V::Table table = level_table<Type>(levels);
  for (int v = 0; v < kPackVectors; ++v) {
    const int row = first_row + v * V::kLanes;
    BlockPlanes planes{chunk + layout.low, chunk + layout.high};
    for (int block = 0; block < blocks; ++block) {
      widen_quads<Type, 0>(planes, v, table, wide.codes + block * kQuads * kTileLine + 4 * row);
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

// A register tile: a wide chunk by some tokens.
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
    for (int quad = 0; quad < kGroupQuads; ++quad, weights += kTileLine, x += 4) {
      V::I codes[kVectors];
      MINIM_UNROLL
      for (int v = 0; v < kVectors; ++v) codes[v] = V::load_i(weights + v * 4 * V::kLanes);
      MINIM_UNROLL
      for (int t = 0; t < kTokens; ++t) {
        const V::I four = V::broadcast_i(x + t * tile.stride);
        MINIM_UNROLL
        for (int v = 0; v < kVectors; ++v) {
          dots[t][v] = dot_codes<Form>(dots[t][v], codes[v], four);
        }
      }
    }
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

// The wide part of a matrix: columns [column, column + cols) of `panels` times kTileRows rows.
struct WideBlock {
  WideChunk chunks[kWideChunks];
  int64_t column;
  int64_t cols;
  int chunks_per_panel;
  int panels;
};

// Widens as many panels from `row` on as fit.
template <typename Type>
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
        widen_chunk<Type>(chunk, chunk_blocks(slice.cols, column + c * kChunkCols),
                          pack * kPackRows, block.chunks[panel * block.chunks_per_panel + c]);
        chunk += chunk_layout<Type>(kChunkBlocks).bytes;
      }
    }
  }
}

// sums[tokens, kTileRows] += a panel of the block by `tokens` tokens from `token` on.
template <typename Type>
void multiply_wide_panel(const MatmulSlice& slice, const WideBlock& block, int panel, int64_t token,
                         int64_t tokens, float* sums) {
  const PreparedRow x =
      prepared_row<kDotCols<Type>>(slice.input + token * slice.input_stride, slice.cols);
  constexpr int kTokens = V::kByteTileTokens;
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
    for (int64_t t = 0; t < tokens; t += kTokens) {
      multiply_byte_tiles<ArithmeticOf<Type>, kTokens>(tokens - t, tile);
      tile.codes += kTokens * tile.stride;
      tile.sums = advance(tile.sums, kTokens * tile.stride);
      tile.scale = advance(tile.scale, kTokens * tile.stride);
      tile.out += kTokens * kTileRows;
    }
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

template <typename Type>
void multiply_wide_block(const MatmulSlice& slice, int64_t row, const WideBlock& block) {
  alignas(64) float sums[kTokenBlock * kTileRows];
  for (int64_t token = 0; token < slice.tokens; token += kTokenBlock) {
    const int64_t left = slice.tokens - token;
    const int64_t tokens = left < kTokenBlock ? left : kTokenBlock;
    for (int panel = 0; panel < block.panels; ++panel) {
      const int64_t first = row + panel * kTileRows;
      move_sums(slice, first, token, tokens, sums, [&](float* to, float* out, int lanes) {
        V::store(to, block.column == 0 || lanes == 0 ? V::zero() : V::load_partial(out, lanes));
      });
      multiply_wide_panel<Type>(slice, block, panel, token, tokens, sums);
      move_sums(slice, first, token, tokens, sums,
                [](float* from, float* out, int lanes) { store_rows(out, V::load(from), lanes); });
    }
  }
}

template <typename Type>
void multiply_wide(const MatmulSlice& slice) {
  WideBlock block;
  for (int64_t row = slice.row_begin; row < slice.row_end; row += block.panels * kTileRows) {
    for (int64_t column = 0; column < slice.cols; column += block.cols) {
      widen_block<Type>(slice, row, column, block);
      multiply_wide_block<Type>(slice, row, block);
    }
  }
}

template <typename Type>
void multiply_int8(const MatmulSlice& slice) noexcept {
  if (slice.tokens > V::kStreamTokensMax) return multiply_wide<Type>(slice);
  const int64_t bytes = panel_bytes<Type>(slice.cols);
  const std::byte* panel = slice.weights + slice.row_begin / kPackRows * bytes;
  for (int64_t row = slice.row_begin; row < slice.row_end; row += kPackRows, panel += bytes) {
    stream_tokens<Type, V::kStreamTokens>(slice, panel, row, 0);
  }
}

}  // namespace
}  // namespace minim::kernels::MINIM_ISA
