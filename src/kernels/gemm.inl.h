// Products of two matrices in float, in the manner of Goto and van de Geijn (2008): panels of B
// that stay in the first cache, a block of A that stays in the second, tiles of sums in registers.
#pragma once

#include "kernels/gemm_kernel.h"
#include "kernels/lanes.inl.h"

namespace minim::kernels::MINIM_ISA {
namespace {

constexpr int kGemmRows = V::kTokenTile;
constexpr int kGemmVectors = V::kPanelVectors;
constexpr int kGemmCols = kGemmVectors * V::kLanes;

// ---- panels ------------------------------------------------------------------------------------

// `values` lanes of one depth, those from `lanes` on zeros. The last vector may write past the
// panel's width where the next depth will overwrite it.
template <int kWidth>
MINIM_INLINE void copy_depth(const float* values, int lanes, bool last, float* panel) {
  MINIM_UNROLL
  for (int lane = 0; lane < kWidth; lane += V::kLanes) {
    const int have = lanes - lane;
    const V::F vector = have >= V::kLanes ? V::load(values + lane)
                        : have > 0        ? V::load_partial(values + lane, have)
                                          : V::zero();
    const int room = kWidth - lane;
    if (room >= V::kLanes || !last) {
      V::store(panel + lane, vector);
    } else {
      V::store_partial(panel + lane, vector, room);
    }
  }
}

// Whether vectors of lanes can be read for a whole panel.
template <int kWidth>
MINIM_INLINE bool squares_exist(const GemmSource& source, int64_t lane) {
  constexpr int kRead = kWidth < V::kLanes ? V::kLanes : kWidth;
  return lane + kRead <= source.lanes;
}

// Where the vector of lanes `at` of a panel begins: the last one lies within the panel if it can.
template <int kWidth>
MINIM_INLINE int square_begin(int at) {
  return at + V::kLanes <= kWidth || kWidth < V::kLanes ? at : kWidth - V::kLanes;
}

// Lanes that lie apart: squares are turned in registers, then their depths copied.
template <int kWidth>
MINIM_INLINE void turn_square(const GemmSource& source, int64_t lane, int64_t depth, bool last,
                              float* panel) {
  constexpr int kPadded = (kWidth + V::kLanes - 1) / V::kLanes * V::kLanes;
  float square[V::kLanes * kPadded];
  MINIM_UNROLL
  for (int at = 0; at < kPadded; at += V::kLanes) {
    const int begin = square_begin<kWidth>(at);
    V::transpose(source.values + (lane + begin) * source.lane_stride + depth, source.lane_stride,
                 square + begin, kPadded);
  }
  for (int d = 0; d < V::kLanes; ++d) {
    copy_depth<kWidth>(square + d * kPadded, kWidth, last && d + 1 == V::kLanes,
                       panel + d * kWidth);
  }
}

template <int kWidth>
void pack_one_panel(const GemmSource& source, int64_t lane, float* panel) {
  const int64_t left = source.lanes - lane;
  const int lanes = left < kWidth ? static_cast<int>(left) : kWidth;
  if (source.lane_stride == 1) {
    for (int64_t d = 0; d < source.depth; ++d) {
      copy_depth<kWidth>(source.values + lane + d * source.depth_stride, lanes,
                         d + 1 == source.depth, panel + d * kWidth);
    }
    return;
  }
  int64_t d = 0;
  for (; squares_exist<kWidth>(source, lane) && d + V::kLanes <= source.depth; d += V::kLanes) {
    turn_square<kWidth>(source, lane, d, d + V::kLanes == source.depth, panel + d * kWidth);
  }
  for (; d < source.depth; ++d) {
    for (int i = 0; i < kWidth; ++i) {
      panel[d * kWidth + i] =
          i < lanes ? source.values[(lane + i) * source.lane_stride + d * source.depth_stride]
                    : 0.0f;
    }
  }
}

template <int kWidth>
void pack_float_panels(const GemmSource& source, std::byte* panels, int64_t panel_stride) noexcept {
  for (int64_t lane = 0; lane < source.lanes; lane += kWidth, panels += panel_stride) {
    pack_one_panel<kWidth>(source, lane, reinterpret_cast<float*>(panels));
  }
}

// ---- tiles -------------------------------------------------------------------------------------

// Where a tile of sums goes: how many of its rows and columns exist.
struct GemmTile {
  float* out;
  int64_t out_stride;
  int cols;
  bool accumulate;
};

MINIM_INLINE void store_gemm_row(const GemmTile& tile, int row, const V::F* sums) {
  float* out = tile.out + row * tile.out_stride;
  MINIM_UNROLL
  for (int v = 0; v < kGemmVectors; ++v) {
    const int lanes = lanes_left(tile.cols, v);
    float* at = out + v * V::kLanes;
    if (lanes == V::kLanes) {
      V::store(at, tile.accumulate ? V::add(V::load(at), sums[v]) : sums[v]);
    } else if (lanes > 0) {
      const V::F sum = tile.accumulate ? V::add(V::load_partial(at, lanes), sums[v]) : sums[v];
      V::store_partial(at, sum, lanes);
    }
  }
}

// kRowStride and kDepthStride: values between neighbours in A, or 0 where the argument says.
template <int kRows, int kRowStride, int kDepthStride>
MINIM_INLINE void multiply_gemm_tile(const float* a, int64_t row_stride, int64_t depth_stride,
                                     const float* b, int64_t depth, int rows,
                                     const GemmTile& tile) {
  const int64_t next_row = kRowStride > 0 ? kRowStride : row_stride;
  const int64_t next_depth = kDepthStride > 0 ? kDepthStride : depth_stride;
  V::F sums[kRows][kGemmVectors];
  MINIM_UNROLL
  for (int r = 0; r < kRows; ++r) {
    MINIM_UNROLL
    for (int v = 0; v < kGemmVectors; ++v) sums[r][v] = V::zero();
  }
  for (int64_t d = 0; d < depth; ++d) {
    V::F columns[kGemmVectors];
    MINIM_UNROLL
    for (int v = 0; v < kGemmVectors; ++v) columns[v] = V::load(b + v * V::kLanes);
    MINIM_UNROLL
    for (int r = 0; r < kRows; ++r) {
      const V::F row = V::set(a[r * next_row]);
      MINIM_UNROLL
      for (int v = 0; v < kGemmVectors; ++v) sums[r][v] = V::fma(row, columns[v], sums[r][v]);
    }
    a += next_depth;
    b += kGemmCols;
  }
  MINIM_UNROLL
  for (int r = 0; r < kRows; ++r) {
    if (r < rows) store_gemm_row(tile, r, sums[r]);
  }
}

void multiply_gemm(const GemmSlice& slice) noexcept {
  for (int64_t col = 0; col < slice.cols; col += kGemmCols) {
    const auto* b =
        reinterpret_cast<const float*>(slice.col_panels + col / kGemmCols * slice.col_panel_stride);
    const int64_t cols = slice.cols - col;
    for (int64_t row = 0; row < slice.rows; row += kGemmRows) {
      const auto* a = reinterpret_cast<const float*>(slice.row_panels +
                                                     row / kGemmRows * slice.row_panel_stride);
      const int64_t rows = slice.rows - row;
      multiply_gemm_tile<kGemmRows, 1, kGemmRows>(
          a, 1, kGemmRows, b, slice.depth, rows < kGemmRows ? static_cast<int>(rows) : kGemmRows,
          {slice.out + row * slice.out_stride + col, slice.out_stride,
           cols < kGemmCols ? static_cast<int>(cols) : kGemmCols, slice.accumulate});
    }
  }
}

// The rows that are no whole tile go one by one: A has nothing to read past them.
template <int kRowStride, int kDepthStride>
MINIM_INLINE void multiply_gemm_rows(const GemmStridedSlice& slice) {
  for (int64_t col = 0; col < slice.cols; col += kGemmCols) {
    const float* b = slice.col_panels + col / kGemmCols * slice.col_panel_stride;
    const int64_t left = slice.cols - col;
    const int cols = left < kGemmCols ? static_cast<int>(left) : kGemmCols;
    int64_t row = 0;
    const auto tile = [&] {
      return GemmTile{slice.out + row * slice.out_stride + col, slice.out_stride, cols,
                      slice.accumulate};
    };
    for (; row + kGemmRows <= slice.rows; row += kGemmRows) {
      multiply_gemm_tile<kGemmRows, kRowStride, kDepthStride>(
          slice.rows_begin + row * slice.row_stride, slice.row_stride, slice.depth_stride, b,
          slice.depth, kGemmRows, tile());
    }
    for (; row < slice.rows; ++row) {
      multiply_gemm_tile<1, kRowStride, kDepthStride>(slice.rows_begin + row * slice.row_stride,
                                                      slice.row_stride, slice.depth_stride, b,
                                                      slice.depth, 1, tile());
    }
  }
}

void multiply_gemm_strided(const GemmStridedSlice& slice) noexcept {
  if (slice.depth_stride == 1) {
    multiply_gemm_rows<0, 1>(slice);
  } else {
    multiply_gemm_rows<1, 0>(slice);
  }
}

constexpr GemmKernel make_gemm_kernel() {
  return {.row_tile = kGemmRows,
          .col_tile = kGemmCols,
          .depth_step = 1,
          .row_step_bytes = kGemmRows * 4,
          .col_step_bytes = kGemmCols * 4,
          .pack_rows = pack_float_panels<kGemmRows>,
          .pack_cols = pack_float_panels<kGemmCols>,
          .multiply = multiply_gemm,
          .multiply_strided = multiply_gemm_strided};
}

}  // namespace
}  // namespace minim::kernels::MINIM_ISA
