// Products of two matrices of activations, gradients or weights under training: what one
// instruction set brings. Both operands are copied into panels first, whichever way they lie.
// Included by the files of every instruction set: declarations only, no inline code.
#pragma once

#include <cstddef>
#include <cstdint>

namespace minim::kernels {

// One operand of C[rows, cols] = sum over depth of A[row, d] * B[d, col]. Its lanes are the rows of
// A or the columns of B.
struct GemmSource {
  const float* values = nullptr;
  int64_t lane_stride = 1;   // values from one lane to the next ...
  int64_t depth_stride = 1;  // ... and from one depth to the next; one of the two is 1
  int64_t lanes = 0;
  int64_t depth = 0;
};

// Panels of A by panels of B. An element of `out` is one chain of fused products in the order of
// depth, added to what stood there where `accumulate` says so: it depends neither on the tile that
// it falls into nor on who computes it.
struct GemmSlice {
  const std::byte* row_panels = nullptr;
  int64_t row_panel_stride = 0;  // bytes from one panel to the next
  const std::byte* col_panels = nullptr;
  int64_t col_panel_stride = 0;
  int64_t rows = 0;
  int64_t cols = 0;
  int64_t depth = 0;
  float* out = nullptr;  // [rows, cols]
  int64_t out_stride = 0;
  bool accumulate = false;
};

// The same where A stays as it lies: for small blocks, whose copy would cost more than it saves.
struct GemmStridedSlice {
  const float* rows_begin = nullptr;
  int64_t row_stride = 1;    // values from one row of A to the next ...
  int64_t depth_stride = 1;  // ... and from one depth to the next; one of the two is 1
  const float* col_panels = nullptr;
  int64_t col_panel_stride = 0;  // in values
  int64_t rows = 0;
  int64_t cols = 0;
  int64_t depth = 0;
  float* out = nullptr;
  int64_t out_stride = 0;
  bool accumulate = false;
};

// A panel holds the lanes of one tile, step of depth after step; lanes and depths that the operand
// has not are zeros. One step of a panel takes row_step_bytes or col_step_bytes.
struct GemmKernel {
  int row_tile;    // lanes of a panel of A
  int col_tile;    // lanes of a panel of B
  int depth_step;  // depths that are stored together; blocks of depth begin at a multiple of it
  int row_step_bytes;
  int col_step_bytes;
  void (*pack_rows)(const GemmSource& source, std::byte* panels, int64_t panel_stride) noexcept;
  void (*pack_cols)(const GemmSource& source, std::byte* panels, int64_t panel_stride) noexcept;
  void (*multiply)(const GemmSlice& slice) noexcept;
  // Null where A has to be in panels.
  void (*multiply_strided)(const GemmStridedSlice& slice) noexcept;
};

}  // namespace minim::kernels
