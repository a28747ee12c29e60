// Products in float of weights of any type.
//
// Many tokens: rows of weights become floats in a panel, interleaved so that a vector holds one
// column of neighbouring rows, and a register tile of rows by tokens runs down the panel (Goto and
// van de Geijn, 2008). Each output is one chain of fused products over the columns: how the rows
// and tokens are split does not change it. Few tokens: the weights stream through once, in the
// order in which they lie, lanes along the row.
#pragma once

#include "kernels/kernel_table.h"
#include "kernels/lanes.inl.h"
#include "kernels/rows.inl.h"
#include "kernels/weights.inl.h"

namespace minim::kernels::MINIM_ISA {
namespace {

constexpr int kPanelRows = V::kPanelVectors * V::kLanes;
constexpr int kPanelCols = kSuperBlock;  // a whole number of blocks of every type
constexpr int kPanels = 4;               // panels that share one pass over the tokens
// From one token's activations to the next in a tile's copy of them: an odd number of cache lines,
// because rows of the input often lie a power of two apart and would evict each other.
constexpr int kTileStride = kPanelCols + 16;
constexpr int64_t kFewTokens = 8;  // up to here weights stream; measured on Cascade Lake

// A panel is laid out [column][row]; `panel_stride` is the floats from one column to the next.
struct PanelTile {
  const float* panel;
  int64_t panel_stride;
  int64_t depth;  // columns
  const float* x;
  int64_t x_stride;
  float* out;
  int64_t out_stride;
  int rows;         // of out; the panel itself has kVectors whole vectors of them
  bool accumulate;  // add to out, or write it
};

// Visits every vector of the output of a tile: visit(t, v, address, lanes).
template <int kVectors, int kTokens, typename Visit>
MINIM_INLINE void visit_output(const PanelTile& tile, Visit visit) {
  MINIM_UNROLL
  for (int t = 0; t < kTokens; ++t) {
    MINIM_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      visit(t, v, tile.out + t * tile.out_stride + v * V::kLanes, lanes_left(tile.rows, v));
    }
  }
}

// kStride: tile.x_stride where it is known here, which spares a register a token; else 0.
template <int kVectors, int kTokens, int kStride>
void multiply_tile(const PanelTile& tile) {
  V::F sums[kTokens][kVectors];
  const bool whole = tile.rows >= kVectors * V::kLanes;
  if (!tile.accumulate) {
    visit_output<kVectors, kTokens>(
        tile, [&](int t, int v, const float*, int) { sums[t][v] = V::zero(); });
  } else if (whole) {
    visit_output<kVectors, kTokens>(
        tile, [&](int t, int v, const float* at, int) { sums[t][v] = V::load(at); });
  } else {
    visit_output<kVectors, kTokens>(tile, [&](int t, int v, const float* at, int lanes) {
      sums[t][v] = V::load_partial(at, lanes);
    });
  }
  const int64_t x_stride = kStride > 0 ? kStride : tile.x_stride;
  const float* panel = tile.panel;
  const float* x = tile.x;
  const float* end = x + tile.depth;
  for (; x < end; ++x, panel += tile.panel_stride) {
    V::F weights[kVectors];
    MINIM_UNROLL
    for (int v = 0; v < kVectors; ++v) weights[v] = V::load(panel + v * V::kLanes);
    MINIM_UNROLL
    for (int t = 0; t < kTokens; ++t) {
      const V::F value = V::set(x[t * x_stride]);
      MINIM_UNROLL
      for (int v = 0; v < kVectors; ++v) sums[t][v] = V::fma(weights[v], value, sums[t][v]);
    }
  }
  if (whole) {
    visit_output<kVectors, kTokens>(
        tile, [&](int t, int v, float* at, int) { V::store(at, sums[t][v]); });
  } else {
    visit_output<kVectors, kTokens>(
        tile, [&](int t, int v, float* at, int lanes) { V::store_partial(at, sums[t][v], lanes); });
  }
}

// The tile of as many tokens as `tokens` says, at most kTokens.
template <int kVectors, int kTokens, int kStride>
MINIM_INLINE void multiply_tile_of(int64_t tokens, const PanelTile& tile) {
  if (tokens >= kTokens) return multiply_tile<kVectors, kTokens, kStride>(tile);
  if constexpr (kTokens > 1) multiply_tile_of<kVectors, kTokens - 1, kStride>(tokens, tile);
}

template <int kVectors, int kStride>
void multiply_strip(int64_t tokens, PanelTile tile) {
  for (; tokens > 0; tokens -= V::kTokenTile) {
    multiply_tile_of<kVectors, V::kTokenTile, kStride>(tokens, tile);
    tile.x += V::kTokenTile * tile.x_stride;
    tile.out += V::kTokenTile * tile.out_stride;
  }
}

// A panel of tile.rows rows by any number of tokens.
template <int kStride>
void multiply_panel(int64_t tokens, const PanelTile& whole) {
  PanelTile tile = whole;
  for (int row = 0; row < whole.rows;) {
    tile.panel = whole.panel + row;
    tile.out = whole.out + row;
    tile.rows = whole.rows - row;
    if (tile.rows > kPanelRows - V::kLanes) {
      tile.rows = tile.rows < kPanelRows ? tile.rows : kPanelRows;
      multiply_strip<V::kPanelVectors, kStride>(tokens, tile);
      row += kPanelRows;
    } else {
      tile.rows = tile.rows < V::kLanes ? tile.rows : V::kLanes;
      multiply_strip<1, kStride>(tokens, tile);
      row += V::kLanes;
    }
  }
}

// Columns [begin, begin + count) of `rows` rows, interleaved; rows up to kPanelRows are zeros.
template <typename Type>
void fill_panel(const std::byte* weights, int64_t stride, int rows, int64_t begin, int64_t count,
                float* panel) {
  alignas(64) float values[V::kLanes * kPanelCols];
  for (int group = 0; group < kPanelRows; group += V::kLanes) {
    for (int r = 0; r < V::kLanes; ++r) {
      float* row = values + r * kPanelCols;
      const bool exists = group + r < rows;
      if (exists) expand<Type>(weights + (group + r) * stride, begin, count, row);
      const int64_t kept = exists ? count : 0;  // the rest is defined, though nobody multiplies it
      __builtin_memset(row + kept, 0, static_cast<size_t>(kPanelCols - kept) * sizeof(float));
    }
    for (int64_t column = 0; column < count; column += V::kLanes) {
      V::transpose(values + column, kPanelCols, panel + column * kPanelRows + group, kPanelRows);
    }
  }
}

// The panels of up to kPanels * kPanelRows rows, for kPanelCols columns.
struct PanelGroup {
  alignas(64) float floats[kPanels][kPanelRows * kPanelCols];
  int rows[kPanels];
  int count;
};

template <typename Type>
void fill_panels(const MatmulSlice& slice, int64_t row, int64_t column, int64_t depth,
                 PanelGroup& panels) {
  const int64_t stride = row_bytes<Type>(slice.cols);
  panels.count = 0;
  for (int64_t at = row; panels.count < kPanels && at < slice.row_end; at += kPanelRows) {
    const int64_t left = slice.row_end - at;
    const int rows = static_cast<int>(left < kPanelRows ? left : kPanelRows);
    fill_panel<Type>(slice.weights + at * stride, stride, rows, column, depth,
                     panels.floats[panels.count]);
    panels.rows[panels.count++] = rows;
  }
}

// All tokens by the panels, which hold `depth` columns from `column` on of the rows from `row` on.
void multiply_panels(const MatmulSlice& slice, int64_t row, int64_t column, int64_t depth,
                     const PanelGroup& panels) {
  alignas(64) float x[V::kTokenTile * kTileStride];
  for (int64_t token = 0; token < slice.tokens; token += V::kTokenTile) {
    const int64_t left = slice.tokens - token;
    const int64_t tokens = left < V::kTokenTile ? left : V::kTokenTile;
    for (int64_t t = 0; t < tokens; ++t) {
      const auto* from =
          reinterpret_cast<const float*>(slice.input + (token + t) * slice.input_stride) + column;
      map_row(from, x + t * kTileStride, depth, [](V::F value) { return value; });
    }
    for (int p = 0; p < panels.count; ++p) {
      multiply_panel<kTileStride>(
          tokens, {.panel = panels.floats[p],
                   .panel_stride = kPanelRows,
                   .depth = depth,
                   .x = x,
                   .x_stride = kTileStride,
                   .out = slice.out + token * slice.out_stride + row + p * kPanelRows,
                   .out_stride = slice.out_stride,
                   .rows = panels.rows[p],
                   .accumulate = column > 0});
    }
  }
}

template <typename Type>
void multiply_many(const MatmulSlice& slice) {
  PanelGroup panels;
  for (int64_t row = slice.row_begin; row < slice.row_end; row += kPanels * kPanelRows) {
    for (int64_t column = 0; column < slice.cols; column += kPanelCols) {
      const int64_t left = slice.cols - column;
      const int64_t depth = left < kPanelCols ? left : kPanelCols;
      fill_panels<Type>(slice, row, column, depth, panels);
      multiply_panels(slice, row, column, depth, panels);
    }
  }
}

// kRows rows of plain numbers by kTokens tokens.
template <typename Type, int kRows, int kTokens>
void stream_rows(const std::byte* weights, int64_t stride, int64_t cols, const float* x,
                 int64_t x_stride, float* out, int64_t out_stride) {
  V::F sums[kRows][kTokens];
  MINIM_UNROLL
  for (int r = 0; r < kRows; ++r) {
    MINIM_UNROLL
    for (int t = 0; t < kTokens; ++t) sums[r][t] = V::zero();
  }
  const auto step = [&](int64_t column, auto load_weights, auto load_values) {
    V::F values[kTokens];
    MINIM_UNROLL
    for (int t = 0; t < kTokens; ++t) values[t] = load_values(x + t * x_stride + column);
    MINIM_UNROLL
    for (int r = 0; r < kRows; ++r) {
      const V::F row = load_weights(weights + r * stride + column * Type::kBytes);
      MINIM_UNROLL
      for (int t = 0; t < kTokens; ++t) sums[r][t] = V::fma(row, values[t], sums[r][t]);
    }
  };
  int64_t column = 0;
  for (; column + V::kLanes <= cols; column += V::kLanes) {
    step(
        column, [](const std::byte* p) { return Type::load(p); },
        [](const float* p) { return V::load(p); });
  }
  if (const int rest = static_cast<int>(cols - column); rest > 0) {
    step(
        column, [rest](const std::byte* p) { return Type::load_partial(p, rest); },
        [rest](const float* p) { return V::load_partial(p, rest); });
  }
  MINIM_UNROLL
  for (int r = 0; r < kRows; ++r) {
    MINIM_UNROLL
    for (int t = 0; t < kTokens; ++t) out[t * out_stride + r] = V::reduce_add(sums[r][t]);
  }
}

// One row of blocks by kTokens tokens, two chains of sums each.
template <typename Type, int kTokens>
void stream_blocks(const std::byte* weights, int64_t cols, const float* x, int64_t x_stride,
                   float* out, int64_t out_stride) {
  const auto* block = reinterpret_cast<const typename Type::Block*>(weights);
  V::F sums[kTokens][2];
  MINIM_UNROLL
  for (int t = 0; t < kTokens; ++t) sums[t][0] = sums[t][1] = V::zero();
  Unpacked unpacked;
  for (int64_t column = 0; column < cols; column += Type::kValues, ++block) {
    Type::unpack(*block, unpacked);
    for (int i = 0; i < Type::kValues; i += 2 * V::kLanes) {
      MINIM_UNROLL
      for (int chain = 0; chain < 2; ++chain) {
        const int at = i + chain * V::kLanes;
        const V::F values = Type::values(unpacked, at);
        MINIM_UNROLL
        for (int t = 0; t < kTokens; ++t) {
          sums[t][chain] = V::fma(values, V::load(x + t * x_stride + column + at), sums[t][chain]);
        }
      }
    }
  }
  MINIM_UNROLL
  for (int t = 0; t < kTokens; ++t) {
    out[t * out_stride] = V::reduce_add(V::add(sums[t][0], sums[t][1]));
  }
}

template <typename Type, int kTokens>
void stream_weights(const MatmulSlice& slice, int64_t token) {
  const int64_t stride = row_bytes<Type>(slice.cols);
  const int64_t x_stride = slice.input_stride / static_cast<int64_t>(sizeof(float));
  const float* x = reinterpret_cast<const float*>(slice.input) + token * x_stride;
  float* out = slice.out + token * slice.out_stride;
  int64_t row = slice.row_begin;
  if constexpr (Blocked<Type>) {
    for (; row < slice.row_end; ++row) {
      stream_blocks<Type, kTokens>(slice.weights + row * stride, slice.cols, x, x_stride, out + row,
                                   slice.out_stride);
    }
  } else {
    for (; row + 4 <= slice.row_end; row += 4) {
      stream_rows<Type, 4, kTokens>(slice.weights + row * stride, stride, slice.cols, x, x_stride,
                                    out + row, slice.out_stride);
    }
    for (; row < slice.row_end; ++row) {
      stream_rows<Type, 1, kTokens>(slice.weights + row * stride, stride, slice.cols, x, x_stride,
                                    out + row, slice.out_stride);
    }
  }
}

template <typename Type>
void multiply_float(const MatmulSlice& slice) noexcept {
  if (slice.tokens > kFewTokens) return multiply_many<Type>(slice);
  int64_t token = 0;
  for (; token + 2 <= slice.tokens; token += 2) stream_weights<Type, 2>(slice, token);
  if (token < slice.tokens) stream_weights<Type, 1>(slice, token);
}

template <typename Type>
void dequantize_stored_row(const std::byte* weights, int64_t cols, int64_t row,
                           float* out) noexcept {
  expand<Type>(weights + row * row_bytes<Type>(cols), 0, cols, out);
}

}  // namespace
}  // namespace minim::kernels::MINIM_ISA
