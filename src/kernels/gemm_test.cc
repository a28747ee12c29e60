// Products of two matrices on every table against double precision, remainders swept.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/half.h"
#include "kernels/testing/random_data.h"

namespace minim::kernels {
namespace {

using testing::random_floats;
using testing::supported_tables;

struct Case {
  int64_t rows;
  int64_t cols;
  int64_t depth;
  bool lanes_apart;  // lanes of A and B lie apart, depths together; otherwise the other way round
  bool accumulate;
};

// A matrix with a stride, its end guarded by the allocator: nothing may be read past it.
struct Operand {
  std::vector<float> values;
  GemmSource source;
  Operand(Rng& rng, int64_t lanes, int64_t depth, bool lanes_apart) {
    const int64_t inner = lanes_apart ? depth : lanes;
    const int64_t outer = lanes_apart ? lanes : depth;
    const int64_t stride = inner + 3;
    values = random_floats(rng, static_cast<size_t>((outer - 1) * stride + inner));
    source = {values.data(), lanes_apart ? stride : 1, lanes_apart ? 1 : stride, lanes, depth};
  }
  float at(int64_t lane, int64_t depth) const {
    return source.values[lane * source.lane_stride + depth * source.depth_stride];
  }
};

double rounded(float value, bool bfloat16) {
  return bfloat16 ? bfloat16_to_float(float_to_bfloat16(value)) : value;
}

std::vector<std::byte> pack(const GemmKernel& kernel, const GemmSource& source, bool rows,
                            int64_t& panel_stride) {
  const int tile = rows ? kernel.row_tile : kernel.col_tile;
  const int step_bytes = rows ? kernel.row_step_bytes : kernel.col_step_bytes;
  panel_stride = (source.depth + kernel.depth_step - 1) / kernel.depth_step * step_bytes;
  // NaNs where nothing was written would show in the result.
  std::vector<std::byte> panels(
      static_cast<size_t>((source.lanes + tile - 1) / tile * panel_stride), std::byte{0xff});
  (rows ? kernel.pack_rows : kernel.pack_cols)(source, panels.data(), panel_stride);
  return panels;
}

constexpr float kGuard = 12345.0f;

// Compares every element, and the guards around them.
void expect_product(const Case& c, const Operand& a, const Operand& b, bool bfloat16,
                    const std::vector<float>& before, const std::vector<float>& out,
                    int64_t out_stride) {
  for (int64_t row = 0; row < c.rows; ++row) {
    for (int64_t col = 0; col < out_stride; ++col) {
      const auto at = static_cast<size_t>(row * out_stride + col);
      if (col >= c.cols) {
        ASSERT_EQ(out[at], kGuard) << "wrote past the columns of row " << row;
        continue;
      }
      double want = c.accumulate ? before[at] : 0.0;
      double magnitude = std::abs(want);
      for (int64_t d = 0; d < c.depth; ++d) {
        const double term = rounded(a.at(row, d), bfloat16) * rounded(b.at(col, d), bfloat16);
        want += term;
        magnitude += std::abs(term);
      }
      ASSERT_NEAR(out[at], want, magnitude * 0x1p-24 * (4 + 2 * std::sqrt(double(c.depth))))
          << "row " << row << ", column " << col;
    }
  }
}

void check(const GemmKernel& kernel, const Case& c, bool bfloat16, Rng& rng) {
  SCOPED_TRACE(fmt::format("{} x {} x {}, lanes {}, {}", c.rows, c.cols, c.depth,
                           c.lanes_apart ? "apart" : "together", c.accumulate ? "added" : "set"));
  const Operand a(rng, c.rows, c.depth, c.lanes_apart);
  const Operand b(rng, c.cols, c.depth, c.lanes_apart);
  const int64_t out_stride = c.cols + 5;
  std::vector<float> before(static_cast<size_t>(c.rows * out_stride), kGuard);
  for (int64_t row = 0; row < c.rows; ++row) {
    for (int64_t col = 0; col < c.cols; ++col) {
      before[static_cast<size_t>(row * out_stride + col)] = rng.normal();
    }
  }
  GemmSlice slice;
  const auto rows = pack(kernel, a.source, true, slice.row_panel_stride);
  const auto cols = pack(kernel, b.source, false, slice.col_panel_stride);
  slice.row_panels = rows.data();
  slice.col_panels = cols.data();
  slice.rows = c.rows;
  slice.cols = c.cols;
  slice.depth = c.depth;
  std::vector<float> out = before;
  slice.out = out.data();
  slice.out_stride = out_stride;
  slice.accumulate = c.accumulate;
  kernel.multiply(slice);
  expect_product(c, a, b, bfloat16, before, out, out_stride);

  if (kernel.multiply_strided == nullptr) return;
  std::vector<float> strided = before;
  kernel.multiply_strided({a.source.values, a.source.lane_stride, a.source.depth_stride,
                           reinterpret_cast<const float*>(cols.data()), slice.col_panel_stride / 4,
                           c.rows, c.cols, c.depth, strided.data(), out_stride, c.accumulate});
  EXPECT_EQ(strided, out) << "A as it lies";
}

void sweep(const GemmKernel& kernel, bool bfloat16, Rng& rng) {
  for (const bool apart : {false, true}) {
    for (int64_t rows = 1; rows <= 2 * kernel.row_tile + 1; ++rows) {
      check(kernel, {rows, 5, 9, apart, rows % 2 == 0}, bfloat16, rng);
    }
    for (int64_t cols = 1; cols <= 2 * kernel.col_tile + 1; ++cols) {
      check(kernel, {7, cols, 9, apart, cols % 2 == 0}, bfloat16, rng);
    }
    for (int64_t depth = 1; depth <= 70; ++depth) {
      check(kernel, {kernel.row_tile, kernel.col_tile + 1, depth, apart, depth % 2 == 0}, bfloat16,
            rng);
    }
    check(kernel, {5 * kernel.row_tile + 1, 3 * kernel.col_tile + 2, 130, apart, true}, bfloat16,
          rng);
  }
}

TEST(Gemm, FloatProductsOverAllRemainders) {
  for (const KernelTable* table : supported_tables()) {
    MINIM_TRACE_TABLE(*table);
    Rng rng(testing::test_seed());
    sweep(table->gemm, false, rng);
  }
}

TEST(Gemm, Bfloat16ProductsOverAllRemainders) {
  for (const KernelTable* table : supported_tables()) {
    if (table->bfloat16.gemm == nullptr) continue;
    MINIM_TRACE_TABLE(*table);
    Rng rng(testing::test_seed());
    sweep(*table->bfloat16.gemm, true, rng);
  }
}

}  // namespace
}  // namespace minim::kernels
