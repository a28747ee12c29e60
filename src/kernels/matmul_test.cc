// Every product of every table against double precision, shapes around the sizes of the tiles.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "kernels/testing/random_data.h"

namespace minim::kernels {
namespace {

using testing::random_floats;
using testing::random_weights;
using testing::RandomWeights;
using testing::supported_tables;

struct Shape {
  int64_t rows;
  int64_t cols;
  int64_t tokens;
};

// Float products err by at most one rounding of each product and partial sum; the factor for sums
// in several chains is far below the number of columns.
double float_bound(double magnitude, int64_t cols) {
  return magnitude * 0x1p-24 * (4 + std::sqrt(static_cast<double>(cols)) * 2);
}

// Weights and activations may each be off by half a unit of 8 bits.
double bound(MatmulPrecision precision, double magnitude, int64_t cols) {
  const double rounding = precision == MatmulPrecision::kBfloat16 ? magnitude * 0x1p-7 : 0.0;
  return rounding + float_bound(magnitude, cols);
}

// `tokens` rows of x, `x_stride` values apart, as the kernel reads them; `memory` keeps what is
// made.
void set_input(const MatmulKernel& kernel, const float* x, int64_t x_stride,
               std::vector<std::byte>& memory, MatmulSlice& slice) {
  slice.input = reinterpret_cast<const std::byte*>(x);
  slice.input_stride = x_stride * static_cast<int64_t>(sizeof(float));
  if (kernel.prepare == nullptr) return;
  slice.input_stride = static_cast<int64_t>(kernel.prepared_bytes(slice.cols));
  memory.resize(static_cast<size_t>(slice.tokens * slice.input_stride));
  for (int64_t t = 0; t < slice.tokens; ++t) {
    kernel.prepare(x + t * x_stride, slice.cols, memory.data() + t * slice.input_stride);
  }
  slice.input = memory.data();
}

// Multiplies with guards around the output and compares each value.
void check_product(const MatmulKernel& kernel, const Shape& shape, Rng& rng) {
  SCOPED_TRACE(fmt::format("{}: {} x {} by {} tokens", data_type_info(kernel.type).name, shape.rows,
                           shape.cols, shape.tokens));
  const RandomWeights weights = random_weights(rng, kernel.type, shape.rows, shape.cols);
  const int64_t x_stride = shape.cols + 3;
  const std::vector<float> x = random_floats(rng, static_cast<size_t>(shape.tokens * x_stride));
  const int64_t out_stride = shape.rows + 5;
  constexpr float kGuard = 12345.0f;
  std::vector<float> out(static_cast<size_t>(shape.tokens * out_stride), kGuard);
  MatmulSlice slice;
  slice.weights = weights.bytes.data();
  slice.cols = shape.cols;
  slice.row_end = shape.rows;
  slice.tokens = shape.tokens;
  std::vector<std::byte> prepared;
  set_input(kernel, x.data(), x_stride, prepared, slice);
  slice.out = out.data();
  slice.out_stride = out_stride;
  kernel.multiply(slice);
  for (int64_t t = 0; t < shape.tokens; ++t) {
    for (int64_t r = 0; r < shape.rows; ++r) {
      double want = 0;
      double magnitude = 0;
      for (int64_t c = 0; c < shape.cols; ++c) {
        const double term = double{weights.values[static_cast<size_t>(r * shape.cols + c)]} *
                            x[static_cast<size_t>(t * x_stride + c)];
        want += term;
        magnitude += std::abs(term);
      }
      ASSERT_NEAR(out[static_cast<size_t>(t * out_stride + r)], want,
                  bound(kernel.precision, magnitude, shape.cols))
          << "row " << r << ", token " << t;
    }
    for (int64_t r = shape.rows; r < out_stride; ++r) {
      ASSERT_EQ(out[static_cast<size_t>(t * out_stride + r)], kGuard) << "wrote past the rows";
    }
  }
}

TEST(Matmul, FloatProductsOfPlainTypesOverAllRemainders) {
  for (const KernelTable* table : supported_tables()) {
    MINIM_TRACE_TABLE(*table);
    Rng rng(testing::test_seed());
    for (const DataType type : {DataType::kF32, DataType::kF16, DataType::kBf16}) {
      const MatmulKernel& kernel = *find_matmul_kernel(*table, type, MatmulPrecision::kFloat32);
      for (int64_t cols = 1; cols <= 40; ++cols) check_product(kernel, {5, cols, 1}, rng);
      for (int64_t cols = 1; cols <= 40; ++cols) check_product(kernel, {3, cols, 11}, rng);
      for (int64_t rows = 1; rows <= 70; ++rows) check_product(kernel, {rows, 19, 9}, rng);
      for (int64_t tokens = 1; tokens <= 30; ++tokens) check_product(kernel, {34, 21, tokens}, rng);
      check_product(kernel, {131, 777, 25}, rng);
      check_product(kernel, {70, 2048 + 77, 30}, rng);  // more columns than lanes of a block
    }
  }
}

TEST(Matmul, Bfloat16ProductsOverAllRemainders) {
  for (const KernelTable* table : supported_tables()) {
    MINIM_TRACE_TABLE(*table);
    Rng rng(testing::test_seed());
    for (int i = 0; i < table->bfloat16.matmuls.count; ++i) {
      const MatmulKernel& kernel = table->bfloat16.matmuls.kernels[i];
      for (int64_t cols = 1; cols <= 70; ++cols) check_product(kernel, {5, cols, 1}, rng);
      for (int64_t cols = 1; cols <= 70; ++cols) check_product(kernel, {3, cols, 11}, rng);
      for (int64_t rows = 1; rows <= 70; ++rows) check_product(kernel, {rows, 19, 9}, rng);
      for (int64_t tokens = 1; tokens <= 30; ++tokens) check_product(kernel, {34, 21, tokens}, rng);
      check_product(kernel, {131, 777, 25}, rng);
      check_product(kernel, {33, 300, 130 + 17}, rng);
      check_product(kernel, {70, 4096 + 77, 30}, rng);
    }
  }
}

TEST(Matmul, FloatProductsOfBlockTypes) {
  for (const KernelTable* table : supported_tables()) {
    MINIM_TRACE_TABLE(*table);
    Rng rng(testing::test_seed());
    for (const MatmulKernel* found : matmul_kernels(*table)) {
      const MatmulKernel& kernel = *found;
      if (kernel.precision != MatmulPrecision::kFloat32) continue;
      const int64_t block = data_type_info(kernel.type).block_values;
      if (block == 1) continue;
      for (const int64_t blocks : {1, 2, 3}) {
        for (const int64_t tokens : {1, 2, 3, 8, 9, 13}) {
          check_product(kernel, {37, block * blocks, tokens}, rng);
        }
      }
      check_product(kernel, {2, block == 256 ? 768 : block * 11, 9}, rng);
    }
  }
}

// A slice of the rows, or of the tokens, gives bit for bit what the whole gives.
TEST(Matmul, SlicesDoNotChangeTheResult) {
  constexpr int64_t kRows = 75;
  constexpr int64_t kCols = 512;
  for (const KernelTable* table : supported_tables()) {
    MINIM_TRACE_TABLE(*table);
    Rng rng(testing::test_seed());
    for (const MatmulKernel* found : matmul_kernels(*table)) {
      const MatmulKernel& kernel = *found;
      if (kernel.pack != nullptr) continue;
      SCOPED_TRACE(data_type_info(kernel.type).name);
      const RandomWeights weights = random_weights(rng, kernel.type, kRows, kCols);
      for (const int64_t tokens : {1, 5, 100}) {
        const std::vector<float> x = random_floats(rng, static_cast<size_t>(tokens * kCols));
        MatmulSlice slice;
        slice.weights = weights.bytes.data();
        slice.cols = kCols;
        slice.row_end = kRows;
        slice.tokens = tokens;
        std::vector<std::byte> prepared;
        set_input(kernel, x.data(), kCols, prepared, slice);
        slice.out_stride = kRows;
        std::vector<float> whole(static_cast<size_t>(tokens * kRows));
        slice.out = whole.data();
        kernel.multiply(slice);
        std::vector<float> parts(whole.size());
        slice.out = parts.data();
        for (const int64_t cut : {0, 1, 32, 33, 64, 75}) {
          slice.row_begin = cut == 0 ? 0 : slice.row_end;
          slice.row_end = cut;
          kernel.multiply(slice);
        }
        EXPECT_EQ(whole, parts) << tokens << " tokens";
      }
    }
  }
}

// Any bytes are a block: the values are those of the specification, to the last bit.
TEST(Matmul, DequantizedRowsAreThoseOfTheSpecification) {
  constexpr int64_t kBlocks = 50;
  for (const KernelTable* table : supported_tables()) {
    MINIM_TRACE_TABLE(*table);
    Rng rng(testing::test_seed());
    for (const MatmulKernel* found : matmul_kernels(*table)) {
      const MatmulKernel& kernel = *found;
      if (kernel.pack != nullptr) continue;
      const DataTypeInfo& info = data_type_info(kernel.type);
      SCOPED_TRACE(info.name);
      const int64_t cols = info.block_values * kBlocks;
      std::vector<std::byte> bytes(static_cast<size_t>(info.block_bytes * kBlocks * 2));
      for (std::byte& byte : bytes) byte = static_cast<std::byte>(rng.below(256));
      std::vector<float> want(static_cast<size_t>(cols));
      dequantize_row(kernel.type, bytes.data() + bytes.size() / 2, want.data(), cols);
      std::vector<float> got(static_cast<size_t>(cols) + 1, -7.0f);
      kernel.dequantize_row(bytes.data(), cols, 1, got.data());
      EXPECT_EQ(got.back(), -7.0f) << "wrote past the end";
      for (size_t at = 0; at < want.size(); ++at) {
        if (std::isnan(want[at])) {
          ASSERT_TRUE(std::isnan(got[at])) << at;
        } else {
          ASSERT_EQ(std::memcmp(&got[at], &want[at], sizeof(float)), 0)
              << at << ": " << got[at] << " for " << want[at];
        }
      }
    }
  }
}

}  // namespace
}  // namespace minim::kernels
