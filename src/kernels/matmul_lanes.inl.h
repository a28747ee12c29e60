// Products of stored weights with many tokens: rows become lanes of four bytes in a panel,
// interleaved so that a vector holds the same columns of neighbouring rows, and a register tile of
// rows by tokens runs down the panel (Goto and van de Geijn, 2008). A lane is one float, or a pair
// of bfloat16 where the processor multiplies those. Each output is one chain over the columns: how
// the rows and tokens are cut does not change it.
#pragma once

#include "kernels/kernel_table.h"
#include "kernels/lanes.inl.h"
#include "kernels/weights.inl.h"

namespace minim::kernels::MINIM_ISA {
namespace {

constexpr int kPanelRows = V::kPanelVectors * V::kLanes;
constexpr int kFillCols = kSuperBlock;  // a whole number of blocks of every type
constexpr int kTileLanes = 128;         // of a panel in the first cache
constexpr int kBlockLanes = 2048;       // of all panels in the second cache
constexpr int kPanelsMax = 4;           // that share the lanes of the input
constexpr int kTileTokens = 2 * V::kTokenTile;
// From one token to the next in a copy of the input: an odd number of cache lines, because rows
// of activations often lie a power of two apart and would evict each other.
constexpr int kTileStride = kTileLanes + 16;

// Lanes of some tokens, `stride` floats apart.
struct LaneInput {
  const float* lanes;
  int64_t stride;
};

struct FloatLanes {
  static constexpr int kCols = 1;  // in a lane
  using W = V::F;
  MINIM_INLINE W load(const float* lanes) { return V::load(lanes); }
  MINIM_INLINE W set(const float* lane) { return V::set(*lane); }
  MINIM_INLINE V::F multiply_add(W weights, W x, V::F sums) { return V::fma(weights, x, sums); }
  // Values [begin, begin + count) of a stored row as lanes.
  template <typename Type>
  MINIM_INLINE void make_stored(const std::byte* row, int64_t begin, int64_t count, float* lanes) {
    expand<Type>(row, begin, count, lanes);
  }
  // Columns [column, column + count) of `tokens` tokens; `copy` is memory to put them.
  MINIM_INLINE LaneInput input(const MatmulSlice& slice, int64_t token, int64_t tokens,
                               int64_t column, int64_t count, float* copy) {
    for (int64_t t = 0; t < tokens; ++t) {
      const std::byte* row = slice.input + (token + t) * slice.input_stride;
      map_row(reinterpret_cast<const float*>(row) + column, copy + t * kTileStride, count,
              [](V::F value) { return value; });
    }
    return {copy, kTileStride};
  }
};

// kTokens tokens by a panel: sums [tokens, kPanelRows] grow by `count` lanes.
template <typename Lanes, int kTokens>
void multiply_lane_tile(const float* panel, LaneInput input, int64_t count, float* sums) {
  constexpr int kVectors = V::kPanelVectors;
  V::F tile[kTokens][kVectors];
  MINIM_UNROLL
  for (int t = 0; t < kTokens; ++t) {
    MINIM_UNROLL
    for (int v = 0; v < kVectors; ++v) tile[t][v] = V::load(sums + t * kPanelRows + v * V::kLanes);
  }
  const float* x = input.lanes;
  for (const float* end = x + count; x < end; ++x, panel += kPanelRows) {
    typename Lanes::W weights[kVectors];
    MINIM_UNROLL
    for (int v = 0; v < kVectors; ++v) weights[v] = Lanes::load(panel + v * V::kLanes);
    MINIM_UNROLL
    for (int t = 0; t < kTokens; ++t) {
      const typename Lanes::W value = Lanes::set(x + t * input.stride);
      MINIM_UNROLL
      for (int v = 0; v < kVectors; ++v) {
        tile[t][v] = Lanes::multiply_add(weights[v], value, tile[t][v]);
      }
    }
  }
  MINIM_UNROLL
  for (int t = 0; t < kTokens; ++t) {
    MINIM_UNROLL
    for (int v = 0; v < kVectors; ++v) V::store(sums + t * kPanelRows + v * V::kLanes, tile[t][v]);
  }
}

// The tile of as many tokens as `tokens` says, at most kTokens.
template <typename Lanes, int kTokens>
MINIM_INLINE void multiply_lane_tiles(int64_t tokens, const float* panel, LaneInput input,
                                      int64_t count, float* sums) {
  if (tokens >= kTokens) return multiply_lane_tile<Lanes, kTokens>(panel, input, count, sums);
  if constexpr (kTokens > 1) {
    multiply_lane_tiles<Lanes, kTokens - 1>(tokens, panel, input, count, sums);
  }
}

// Columns [column, column + cols) of some panels of rows, [panel][lane][row].
struct LaneBlock {
  alignas(64) float lanes[kBlockLanes * kPanelRows];
  int64_t column;
  int64_t cols;
  int64_t panel_lanes;  // of one panel
  int panels;

  float* panel(int index) { return lanes + index * panel_lanes * kPanelRows; }
};

template <typename Lanes>
MINIM_INLINE int64_t lanes_of(int64_t cols) {
  return (cols + Lanes::kCols - 1) / Lanes::kCols;
}

// Columns [begin, begin + count) of a panel's rows, interleaved; rows that do not exist are zeros.
template <typename Type, typename Lanes>
void fill_lanes(const std::byte* weights, int64_t stride, int rows, int64_t begin, int64_t count,
                float* panel) {
  constexpr int kLanesMax = kFillCols / Lanes::kCols;
  alignas(64) float lanes[V::kLanes * kLanesMax];
  const int64_t used = lanes_of<Lanes>(count);
  for (int group = 0; group < kPanelRows; group += V::kLanes) {
    for (int r = 0; r < V::kLanes; ++r) {
      float* row = lanes + r * kLanesMax;
      const bool exists = group + r < rows;
      if (exists) {
        Lanes::template make_stored<Type>(weights + (group + r) * stride, begin, count, row);
      }
      const int64_t kept = exists ? used : 0;  // the rest is defined, though nobody multiplies it
      __builtin_memset(row + kept, 0, static_cast<size_t>(kLanesMax - kept) * sizeof(float));
    }
    for (int64_t lane = 0; lane < used; lane += V::kLanes) {
      V::transpose(lanes + lane, kLanesMax, panel + lane * kPanelRows + group, kPanelRows);
    }
  }
}

// Interleaves as many panels from `row` on as fit.
template <typename Type, typename Lanes>
void fill_block(const MatmulSlice& slice, int64_t row, int64_t column, LaneBlock& block) {
  constexpr int64_t kCols = kBlockLanes * Lanes::kCols;
  const int64_t left = slice.cols - column;
  block.column = column;
  block.cols = left < kCols ? left : kCols;
  // Whole vectors of lanes, because they are transposed as such.
  const int64_t lanes = lanes_of<Lanes>(block.cols);
  block.panel_lanes = (lanes + V::kLanes - 1) / V::kLanes * V::kLanes;
  // As many for all columns of these rows.
  int64_t fit = slice.cols > kCols ? 1 : kBlockLanes / block.panel_lanes;
  if (fit > kPanelsMax) fit = kPanelsMax;
  const int64_t panels = (slice.row_end - row + kPanelRows - 1) / kPanelRows;
  block.panels = static_cast<int>(panels < fit ? panels : fit);
  const int64_t stride = row_bytes<Type>(slice.cols);
  for (int p = 0; p < block.panels; ++p) {
    const int64_t first = row + p * kPanelRows;
    const int64_t rows_left = slice.row_end - first;
    const int rows = static_cast<int>(rows_left < kPanelRows ? rows_left : kPanelRows);
    for (int64_t at = 0; at < block.cols; at += kFillCols) {
      const int64_t cols_left = block.cols - at;
      fill_lanes<Type, Lanes>(slice.weights + first * stride, stride, rows, column + at,
                              cols_left < kFillCols ? cols_left : kFillCols,
                              block.panel(p) + at / Lanes::kCols * kPanelRows);
    }
  }
}

// A panel's sums beside their places in the output: visit(sums, out, lanes) for every vector.
template <typename Visit>
MINIM_INLINE void visit_sums(const MatmulSlice& slice, int64_t row, int64_t token, int64_t tokens,
                             float* sums, Visit visit) {
  const int64_t left = slice.row_end - row;
  const int rows = static_cast<int>(left < kPanelRows ? left : kPanelRows);
  for (int64_t t = 0; t < tokens; ++t) {
    float* out = slice.out + (token + t) * slice.out_stride + row;
    for (int v = 0; v < V::kPanelVectors; ++v) {
      visit(sums + t * kPanelRows + v * V::kLanes, out + v * V::kLanes, lanes_left(rows, v));
    }
  }
}

// Tokens [token, token + tokens) by all panels of the block: one panel's sums after the other.
template <typename Lanes>
void multiply_block_tokens(const MatmulSlice& slice, LaneBlock& block, int64_t token,
                           int64_t tokens, float* sums) {
  alignas(64) float copy[kTileTokens * kTileStride];
  constexpr int kCols = kTileLanes * Lanes::kCols;
  for (int64_t at = 0; at < block.cols; at += kCols) {
    const int64_t left = block.cols - at;
    const int64_t cols = left < kCols ? left : kCols;
    const LaneInput input = Lanes::input(slice, token, tokens, block.column + at, cols, copy);
    for (int p = 0; p < block.panels; ++p) {
      const float* panel = block.panel(p) + at / Lanes::kCols * kPanelRows;
      float* panel_sums = sums + p * kTileTokens * kPanelRows;
      for (int64_t t = 0; t < tokens; t += V::kTokenTile) {
        multiply_lane_tiles<Lanes, V::kTokenTile>(
            tokens - t, panel, {input.lanes + t * input.stride, input.stride},
            lanes_of<Lanes>(cols), panel_sums + t * kPanelRows);
      }
    }
  }
}

template <typename Lanes>
void multiply_lane_block(const MatmulSlice& slice, int64_t row, LaneBlock& block) {
  alignas(64) float sums[kPanelsMax * kTileTokens * kPanelRows];
  for (int64_t token = 0; token < slice.tokens; token += kTileTokens) {
    const int64_t left = slice.tokens - token;
    const int64_t tokens = left < kTileTokens ? left : kTileTokens;
    for (int p = 0; p < block.panels; ++p) {
      visit_sums(slice, row + p * kPanelRows, token, tokens, sums + p * kTileTokens * kPanelRows,
                 [&](float* to, const float* out, int lanes) {
                   const bool begins = block.column == 0 || lanes == 0;
                   V::store(to, begins ? V::zero() : V::load_partial(out, lanes));
                 });
    }
    multiply_block_tokens<Lanes>(slice, block, token, tokens, sums);
    for (int p = 0; p < block.panels; ++p) {
      visit_sums(
          slice, row + p * kPanelRows, token, tokens, sums + p * kTileTokens * kPanelRows,
          [](const float* from, float* out, int lanes) { store_rows(out, V::load(from), lanes); });
    }
  }
}

template <typename Type, typename Lanes>
void multiply_lanes(const MatmulSlice& slice) {
  LaneBlock block;
  for (int64_t row = slice.row_begin; row < slice.row_end; row += block.panels * kPanelRows) {
    for (int64_t column = 0; column < slice.cols; column += block.cols) {
      fill_block<Type, Lanes>(slice, row, column, block);
      multiply_lane_block<Lanes>(slice, row, block);
    }
  }
}

}  // namespace
}  // namespace minim::kernels::MINIM_ISA
