// Products of two matrices by the tile registers of AMX: 32 rows by 32 columns in four tiles of
// sums, values rounded to bfloat16. A step of depth is 32 values: a tile of A holds them for
// sixteen rows, a tile of B for sixteen columns, two depths in a lane.
#pragma once

#include "kernels/amx_tiles.inl.h"
#include "kernels/gemm_bfloat16.inl.h"

namespace minim::kernels::MINIM_ISA {
namespace {

constexpr int kAmxGemmTile = 2 * kAmxRows;
constexpr int kAmxGemmDepth = kAmxRowBytes / 2;
constexpr int kAmxStepBytes = kAmxGemmTile * kAmxRowBytes;

// One step: [kAmxGemmTile lanes][kAmxGemmDepth] bfloat16.
void pack_amx_row_step(const GemmSource& source, int64_t lane, int64_t depth, std::byte* step) {
  alignas(64) float values[kAmxGemmDepth];
  const int64_t left = source.depth - depth;
  const int depths = left < kAmxGemmDepth ? static_cast<int>(left) : kAmxGemmDepth;
  for (int i = 0; i < kAmxGemmTile; ++i, step += kAmxRowBytes) {
    const bool exists = lane + i < source.lanes;
    const float* from =
        source.values + (lane + i) * source.lane_stride + depth * source.depth_stride;
    for (int d = 0; d < kAmxGemmDepth; ++d) {
      values[d] = exists && d < depths ? from[d * source.depth_stride] : 0.0f;
    }
    V::store_i(step, V::to_bfloat16(V::load(values), V::load(values + V::kLanes)));
  }
}

void pack_amx_rows(const GemmSource& source, std::byte* panels, int64_t panel_stride) noexcept {
  for (int64_t lane = 0; lane < source.lanes; lane += kAmxGemmTile, panels += panel_stride) {
    std::byte* step = panels;
    for (int64_t d = 0; d < source.depth; d += kAmxGemmDepth, step += kAmxStepBytes) {
      pack_amx_row_step(source, lane, d, step);
    }
  }
}

// Panels of pairs, as in gemm_bfloat16.inl.h; the pairs that a last step has not are zeros.
void pack_amx_cols(const GemmSource& source, std::byte* panels, int64_t panel_stride) noexcept {
  constexpr int64_t kPairBytes = kAmxGemmTile * 4;
  const int64_t pairs = (source.depth + 1) / 2;
  const int64_t whole = (source.depth + kAmxGemmDepth - 1) / kAmxGemmDepth * kAmxGemmDepth / 2;
  for (int64_t lane = 0; lane < source.lanes; lane += kAmxGemmTile, panels += panel_stride) {
    pack_one_bfloat16_panel<kAmxGemmTile>(source, lane, panels);
    for (int64_t pair = pairs; pair < whole; ++pair) {
      for (int at = 0; at < kPairBytes; at += kAmxRowBytes) {
        V::store_i(panels + pair * kPairBytes + at, V::zero_i());
      }
    }
  }
}

// Four tiles of sums, [kAmxGemmTile, kAmxGemmTile]. Tiles 0 to 3 hold sums, 4 and 5 rows, 6 and 7
// columns.
MINIM_INLINE void multiply_amx_tile(const std::byte* a, const std::byte* b, int64_t steps,
                                    float* sums) {
  constexpr int64_t kSumsStride = kAmxGemmTile * sizeof(float);
  zero_tile<0>();
  zero_tile<1>();
  zero_tile<2>();
  zero_tile<3>();
  for (int64_t step = 0; step < steps; ++step, a += kAmxStepBytes, b += kAmxStepBytes) {
    load_tile<4>(a, kAmxRowBytes);
    load_tile<6>(b, kAmxGemmTile * 4);
    dot_tiles_bfloat16<0, 4, 6>();
    load_tile<7>(b + kAmxRowBytes, kAmxGemmTile * 4);
    dot_tiles_bfloat16<1, 4, 7>();
    load_tile<5>(a + kAmxRows * kAmxRowBytes, kAmxRowBytes);
    dot_tiles_bfloat16<2, 5, 6>();
    dot_tiles_bfloat16<3, 5, 7>();
  }
  store_tile<0>(sums, kSumsStride);
  store_tile<1>(sums + kAmxLanes, kSumsStride);
  store_tile<2>(sums + kAmxRows * kAmxGemmTile, kSumsStride);
  store_tile<3>(sums + kAmxRows * kAmxGemmTile + kAmxLanes, kSumsStride);
}

MINIM_INLINE void store_amx_tile(const float* sums, int64_t rows, const GemmTile& tile) {
  for (int64_t r = 0; r < rows && r < kAmxGemmTile; ++r) {
    const V::F row[2] = {V::load(sums + r * kAmxGemmTile),
                         V::load(sums + r * kAmxGemmTile + V::kLanes)};
    store_gemm_row(tile, static_cast<int>(r), row);
  }
}
static_assert(kGemmVectors == 2 && kAmxGemmTile == 2 * V::kLanes);

void multiply_gemm_amx(const GemmSlice& slice) noexcept {
  AmxConfig config;
  for (int tile = 0; tile < 8; ++tile) set_tile(config, tile, kAmxRows, kAmxRowBytes);
  load_config(config);
  alignas(64) float sums[kAmxGemmTile * kAmxGemmTile];
  const int64_t steps = (slice.depth + kAmxGemmDepth - 1) / kAmxGemmDepth;
  for (int64_t col = 0; col < slice.cols; col += kAmxGemmTile) {
    const std::byte* b = slice.col_panels + col / kAmxGemmTile * slice.col_panel_stride;
    const int64_t cols = slice.cols - col;
    for (int64_t row = 0; row < slice.rows; row += kAmxGemmTile) {
      const std::byte* a = slice.row_panels + row / kAmxGemmTile * slice.row_panel_stride;
      multiply_amx_tile(a, b, steps, sums);
      store_amx_tile(
          sums, slice.rows - row,
          {slice.out + row * slice.out_stride + col, slice.out_stride,
           cols < kAmxGemmTile ? static_cast<int>(cols) : kAmxGemmTile, slice.accumulate});
    }
  }
  release_tiles();
}

constexpr GemmKernel make_amx_gemm_kernel() {
  return {.row_tile = kAmxGemmTile,
          .col_tile = kAmxGemmTile,
          .depth_step = kAmxGemmDepth,
          .row_step_bytes = kAmxStepBytes,
          .col_step_bytes = kAmxStepBytes,
          .pack_rows = pack_amx_rows,
          .pack_cols = pack_amx_cols,
          .multiply = multiply_gemm_amx,
          .multiply_strided = nullptr};
}

}  // namespace
}  // namespace minim::kernels::MINIM_ISA
