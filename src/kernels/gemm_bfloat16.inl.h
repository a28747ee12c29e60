// Products of two matrices whose values are rounded to bfloat16 when they are copied into panels,
// two depths in a lane; sums in float. The tiles are those of gemm.inl.h.
#pragma once

#include "kernels/gemm.inl.h"

namespace minim::kernels::MINIM_ISA {
namespace {

// One depth of `lanes` lanes, zeros after them.
MINIM_INLINE void gather_depth(const GemmSource& source, int64_t lane, int64_t depth, int lanes,
                               int width, float* values) {
  for (int i = 0; i < width; ++i) {
    values[i] = i < lanes && depth < source.depth
                    ? source.values[(lane + i) * source.lane_stride + depth * source.depth_stride]
                    : 0.0f;
  }
}

// Lanes of two depths side by side, as bfloat16: [lanes][2]. Writes whole vectors.
template <int kWidth>
MINIM_INLINE void store_pair(const float* first, const float* second, std::byte* to) {
  constexpr int kPadded = (kWidth + V::kLanes - 1) / V::kLanes * V::kLanes;
  alignas(64) float mixed[2 * V::kLanes];
  alignas(64) float pairs[kPadded];
  for (int i = 0; i < kPadded; i += V::kLanes) {
    V::store_pairs(mixed, V::load(first + i), V::load(second + i));
    V::store_i(pairs + i, V::to_bfloat16(V::load(mixed), V::load(mixed + V::kLanes)));
  }
  __builtin_memcpy(to, pairs, kWidth * sizeof(float));
}

template <int kWidth>
void pack_one_bfloat16_panel(const GemmSource& source, int64_t lane, std::byte* panel) {
  constexpr int kPadded = (kWidth + V::kLanes - 1) / V::kLanes * V::kLanes;
  constexpr int kSquare = 2 * V::kLanes;  // depths at a time
  const int64_t left = source.lanes - lane;
  const int lanes = left < kWidth ? static_cast<int>(left) : kWidth;
  alignas(64) float block[kSquare * kPadded] = {};
  int64_t d = 0;
  for (; squares_exist<kWidth>(source, lane) && d + kSquare <= source.depth; d += kSquare) {
    for (int at = 0; at < kWidth; at += V::kLanes) {
      const int begin = square_begin<kWidth>(at);
      if (source.lane_stride == 1) {
        for (int i = 0; i < kSquare; ++i) {
          const float* from = source.values + lane + begin + (d + i) * source.depth_stride;
          V::store(block + i * kPadded + begin, V::load(from));
        }
        continue;
      }
      const float* from = source.values + (lane + begin) * source.lane_stride + d;
      V::transpose(from, source.lane_stride, block + begin, kPadded);
      V::transpose(from + V::kLanes, source.lane_stride, block + V::kLanes * kPadded + begin,
                   kPadded);
    }
    for (int i = 0; i < kSquare; i += 2, panel += kWidth * sizeof(float)) {
      store_pair<kWidth>(block + i * kPadded, block + (i + 1) * kPadded, panel);
    }
  }
  for (; d < source.depth; d += 2, panel += kWidth * sizeof(float)) {
    gather_depth(source, lane, d, lanes, kWidth, block);
    gather_depth(source, lane, d + 1, lanes, kWidth, block + kPadded);
    store_pair<kWidth>(block, block + kPadded, panel);
  }
}

template <int kWidth>
void pack_bfloat16_panels(const GemmSource& source, std::byte* panels,
                          int64_t panel_stride) noexcept {
  for (int64_t lane = 0; lane < source.lanes; lane += kWidth, panels += panel_stride) {
    pack_one_bfloat16_panel<kWidth>(source, lane, panels);
  }
}

// a: [pairs][kGemmRows], b: [pairs][kGemmCols], two depths in each value.
MINIM_INLINE void multiply_gemm_tile_bfloat16(const float* a, const float* b, int64_t pairs,
                                              int rows, const GemmTile& tile) {
  V::F sums[kGemmRows][kGemmVectors];
  MINIM_UNROLL
  for (int r = 0; r < kGemmRows; ++r) {
    MINIM_UNROLL
    for (int v = 0; v < kGemmVectors; ++v) sums[r][v] = V::zero();
  }
  for (int64_t d = 0; d < pairs; ++d) {
    V::I columns[kGemmVectors];
    MINIM_UNROLL
    for (int v = 0; v < kGemmVectors; ++v) columns[v] = V::load_i(b + v * V::kLanes);
    MINIM_UNROLL
    for (int r = 0; r < kGemmRows; ++r) {
      const V::I row = V::broadcast_i(a + r);
      MINIM_UNROLL
      for (int v = 0; v < kGemmVectors; ++v) {
        sums[r][v] = V::dot_bfloat16(sums[r][v], row, columns[v]);
      }
    }
    a += kGemmRows;
    b += kGemmCols;
  }
  MINIM_UNROLL
  for (int r = 0; r < kGemmRows; ++r) {
    if (r < rows) store_gemm_row(tile, r, sums[r]);
  }
}

void multiply_gemm_bfloat16(const GemmSlice& slice) noexcept {
  for (int64_t col = 0; col < slice.cols; col += kGemmCols) {
    const auto* b =
        reinterpret_cast<const float*>(slice.col_panels + col / kGemmCols * slice.col_panel_stride);
    const int64_t cols = slice.cols - col;
    for (int64_t row = 0; row < slice.rows; row += kGemmRows) {
      const auto* a = reinterpret_cast<const float*>(slice.row_panels +
                                                     row / kGemmRows * slice.row_panel_stride);
      const int64_t rows = slice.rows - row;
      multiply_gemm_tile_bfloat16(
          a, b, (slice.depth + 1) / 2, rows < kGemmRows ? static_cast<int>(rows) : kGemmRows,
          {slice.out + row * slice.out_stride + col, slice.out_stride,
           cols < kGemmCols ? static_cast<int>(cols) : kGemmCols, slice.accumulate});
    }
  }
}

constexpr GemmKernel make_bfloat16_gemm_kernel() {
  return {.row_tile = kGemmRows,
          .col_tile = kGemmCols,
          .depth_step = 2,
          .row_step_bytes = kGemmRows * 4,
          .col_step_bytes = kGemmCols * 4,
          .pack_rows = pack_bfloat16_panels<kGemmRows>,
          .pack_cols = pack_bfloat16_panels<kGemmCols>,
          .multiply = multiply_gemm_bfloat16,
          .multiply_strided = nullptr};
}

}  // namespace
}  // namespace minim::kernels::MINIM_ISA
