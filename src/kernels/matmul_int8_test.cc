// Products with 8-bit activations: exact against double precision for the activations as rounded,
// within the stated bound for the activations themselves, and bit for bit the same however the work
// is cut.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/block_types.h"
#include "kernels/testing/random_data.h"

namespace minim::kernels {
namespace {

using testing::random_floats;
using testing::random_weights;
using testing::RandomWeights;
using testing::supported_tables;

constexpr int64_t kChunk = 256;  // columns that share a scale of the activations

struct Packed {
  Packed(const MatmulKernel& k, const RandomWeights& weights, int64_t row_count, int64_t col_count)
      : kernel(k), rows(row_count), cols(col_count), bytes(k.packed_bytes(rows, cols)) {
    // In two parts, as threads do it.
    const int64_t unit = kernel.row_multiple;
    const int64_t middle = std::min(rows, rows / 2 / unit * unit);
    kernel.pack(weights.bytes.data(), middle, rows, cols, bytes.data());
    kernel.pack(weights.bytes.data(), 0, middle, cols, bytes.data());
  }

  const MatmulKernel& kernel;
  int64_t rows;
  int64_t cols;
  std::vector<std::byte> bytes;
};

// out[tokens, rows + 3] of rows [begin, end); the three guards and other rows stay as they are.
void multiply(const Packed& weights, const std::vector<std::byte>& prepared, int64_t tokens,
              int64_t begin, int64_t end, std::vector<float>& out) {
  MatmulSlice slice;
  slice.weights = weights.bytes.data();
  slice.cols = weights.cols;
  slice.row_begin = begin;
  slice.row_end = end;
  slice.input = prepared.data();
  slice.input_stride = static_cast<int64_t>(weights.kernel.prepared_bytes(weights.cols));
  slice.tokens = tokens;
  slice.out = out.data();
  slice.out_stride = weights.rows + 3;
  weights.kernel.multiply(slice);
}

std::vector<std::byte> prepare(const Packed& weights, const std::vector<float>& x) {
  const size_t stride = weights.kernel.prepared_bytes(weights.cols);
  const size_t tokens = x.size() / static_cast<size_t>(weights.cols);
  std::vector<std::byte> prepared(stride * tokens);
  for (size_t t = 0; t < tokens; ++t) {
    weights.kernel.prepare(x.data() + t * static_cast<size_t>(weights.cols), weights.cols,
                           prepared.data() + t * stride);
  }
  return prepared;
}

constexpr float kGuard = 12345.0f;

std::vector<float> product(const Packed& weights, const std::vector<float>& x) {
  const int64_t tokens = static_cast<int64_t>(x.size()) / weights.cols;
  std::vector<float> out(static_cast<size_t>(tokens * (weights.rows + 3)), kGuard);
  multiply(weights, prepare(weights, x), tokens, 0, weights.rows, out);
  return out;
}

float chunk_scale(const float* x, int64_t count) {
  float magnitude = 0;
  for (int64_t i = 0; i < count; ++i) magnitude = std::max(magnitude, std::abs(x[i]));
  return magnitude / 127.0f;
}

// What one output should be, and how far the kernel may be from it.
struct Expected {
  double rounded = 0;        // of the activations as rounded
  double rounded_error = 0;  // float rounding, and NF4's whole-number levels
  double exact = 0;          // of the activations themselves
  double exact_error = 0;    // half a step of each activation more
};

Expected expect(DataType type, const float* w, const float* x, int64_t cols) {
  Expected expected;
  double magnitude = 0;
  double level_error = 0;
  for (int64_t begin = 0; begin < cols; begin += kChunk) {
    const int64_t count = std::min(kChunk, cols - begin);
    const float scale = chunk_scale(x + begin, count);
    const float inverse = scale > 0 ? 127.0f / (scale * 127.0f) : 0.0f;
    for (int64_t i = begin; i < begin + count; ++i) {
      const double rounded = std::nearbyint(x[i] * inverse) * double{scale};
      expected.rounded += w[i] * rounded;
      expected.exact += double{w[i]} * x[i];
      expected.exact_error += std::abs(w[i]) * 0.5001 * double{scale};
      magnitude += std::abs(w[i] * rounded);
      if (type == DataType::kNf4) {
        const int64_t block = i / kNf4BlockValues * kNf4BlockValues;
        float largest = 0;
        for (int j = 0; j < kNf4BlockValues; ++j)
          largest = std::max(largest, std::abs(w[block + j]));
        level_error += 0.0037 * largest * std::abs(rounded);
      }
    }
  }
  // The bias of the codes and the offsets of groups are sums of their own: 12 covers them.
  expected.rounded_error =
      12 * magnitude * 0x1p-24 * std::sqrt(static_cast<double>(cols)) + level_error + 1e-6;
  expected.exact_error += expected.rounded_error;
  return expected;
}

void check_product(const MatmulKernel& kernel, int64_t rows, int64_t cols, int64_t tokens,
                   Rng& rng) {
  SCOPED_TRACE(fmt::format("{}: {} x {} by {} tokens", data_type_info(kernel.type).name, rows, cols,
                           tokens));
  const RandomWeights weights = random_weights(rng, kernel.type, rows, cols);
  const Packed packed(kernel, weights, rows, cols);
  const std::vector<float> x = random_floats(rng, static_cast<size_t>(tokens * cols));
  const std::vector<float> out = product(packed, x);
  for (int64_t t = 0; t < tokens; ++t) {
    const float* row = out.data() + t * (rows + 3);
    for (int64_t r = 0; r < rows; ++r) {
      const Expected want =
          expect(kernel.type, weights.values.data() + r * cols, x.data() + t * cols, cols);
      ASSERT_NEAR(row[r], want.rounded, want.rounded_error) << "row " << r << ", token " << t;
      ASSERT_NEAR(row[r], want.exact, want.exact_error) << "row " << r << ", token " << t;
    }
    for (int64_t r = rows; r < rows + 3; ++r) ASSERT_EQ(row[r], kGuard) << "wrote past the rows";
  }
}

std::vector<const MatmulKernel*> int8_kernels(const KernelTable& table) {
  std::vector<const MatmulKernel*> kernels;
  for (const MatmulKernel* kernel : matmul_kernels(table)) {
    if (kernel->precision == MatmulPrecision::kInt8) kernels.push_back(kernel);
  }
  return kernels;
}

TEST(MatmulInt8, ProductsOfEveryType) {
  for (const KernelTable* table : supported_tables()) {
    MINIM_TRACE_TABLE(*table);
    Rng rng(testing::test_seed());
    for (const MatmulKernel* kernel : int8_kernels(*table)) {
      const int64_t block = data_type_info(kernel->type).block_values;
      for (const int64_t blocks : {1, 2, 3, 8, 11}) {
        for (const int64_t tokens : {1, 2, 7}) {
          check_product(*kernel, 21, block * blocks, tokens, rng);
          if (block == 256 && blocks == 3) break;
        }
        if (block == 256 && blocks == 3) break;
      }
      check_product(*kernel, 37, block == 256 ? 512 : block * 9, 23, rng);
    }
  }
}

TEST(MatmulInt8, AllRemaindersOfRowsAndTokens) {
  for (const KernelTable* table : supported_tables()) {
    MINIM_TRACE_TABLE(*table);
    Rng rng(testing::test_seed());
    for (const DataType type : {DataType::kQ4_0, DataType::kQ8_0, DataType::kQ5_1}) {
      const MatmulKernel& kernel = *find_matmul_kernel(*table, type, MatmulPrecision::kInt8);
      for (int64_t rows = 1; rows <= 49; ++rows) check_product(kernel, rows, 96, 3, rng);
      for (int64_t rows = 1; rows <= 49; ++rows) check_product(kernel, rows, 32, 19, rng);
      for (int64_t tokens = 1; tokens <= 32; ++tokens) check_product(kernel, 18, 288, tokens, rng);
      check_product(kernel, 70, 8192 + 288, 40, rng);  // more columns than are widened at a time
    }
  }
}

// One token alone, all together, and any slice of the rows: the same to the last bit.
TEST(MatmulInt8, TheCutOfTheWorkDoesNotChangeTheResult) {
  constexpr int64_t kRows = 75;
  constexpr int64_t kCols = 512;
  constexpr int64_t kTokens = 40;
  for (const KernelTable* table : supported_tables()) {
    MINIM_TRACE_TABLE(*table);
    Rng rng(testing::test_seed());
    for (const MatmulKernel* kernel : int8_kernels(*table)) {
      SCOPED_TRACE(data_type_info(kernel->type).name);
      const Packed weights(*kernel, random_weights(rng, kernel->type, kRows, kCols), kRows, kCols);
      const std::vector<float> x = random_floats(rng, kTokens * kCols);
      const std::vector<float> whole = product(weights, x);
      std::vector<float> parts(whole.size(), kGuard);
      const std::vector<std::byte> prepared = prepare(weights, x);
      int64_t begin = 0;
      for (const int64_t end : {int64_t{16}, int64_t{48}, int64_t{64}, kRows}) {
        multiply(weights, prepared, kTokens, begin, end, parts);
        begin = end;
      }
      EXPECT_EQ(whole, parts) << "slices";
      for (int64_t t = 0; t < kTokens; ++t) {
        const std::vector<float> one(x.begin() + t * kCols, x.begin() + (t + 1) * kCols);
        const std::vector<float> alone = product(weights, one);
        EXPECT_TRUE(std::equal(alone.begin(), alone.end(), whole.begin() + t * (kRows + 3)))
            << "token " << t << " alone";
      }
    }
  }
}

// Groups are exact and everything else is fused in one order: the results of all instruction sets
// are the same to the last bit, but for the plain one, which rounds its fused products twice.
TEST(MatmulInt8, InstructionSetsAgree) {
  constexpr int64_t kRows = 75;
  constexpr int64_t kCols = 768;
  constexpr int64_t kTokens = 45;  // enough for tiles of every form, whole and in part
  const auto tables = supported_tables();
  for (const MatmulKernel* plain : int8_kernels(*tables.front())) {
    SCOPED_TRACE(data_type_info(plain->type).name);
    Rng rng(testing::test_seed());
    const RandomWeights weights = random_weights(rng, plain->type, kRows, kCols);
    for (const int64_t tokens : {int64_t{3}, kTokens}) {
      const std::vector<float> x = random_floats(rng, static_cast<size_t>(tokens * kCols));
      const std::vector<float> specified = product(Packed(*plain, weights, kRows, kCols), x);
      std::vector<float> first;
      for (const KernelTable* table : tables) {
        if (table == tables.front()) continue;
        MINIM_TRACE_TABLE(*table);
        const MatmulKernel& kernel =
            *find_matmul_kernel(*table, plain->type, MatmulPrecision::kInt8);
        const std::vector<float> got = product(Packed(kernel, weights, kRows, kCols), x);
        for (size_t i = 0; i < got.size(); ++i) {
          ASSERT_NEAR(got[i], specified[i], 2e-6 * (1 + std::abs(specified[i])));
        }
        if (first.empty()) first = got;
        ASSERT_EQ(got, first) << "differs from " << instruction_set_name(tables[1]->set);
      }
    }
  }
}

// Any bytes are a block: packed and taken back, a row is that of the specification to the last bit.
TEST(MatmulInt8, RowsComeBackFromThePackedForm) {
  for (const KernelTable* table : supported_tables()) {
    MINIM_TRACE_TABLE(*table);
    Rng rng(testing::test_seed());
    for (const MatmulKernel* kernel : int8_kernels(*table)) {
      const DataTypeInfo& info = data_type_info(kernel->type);
      SCOPED_TRACE(info.name);
      const int64_t cols = info.block_values * (info.block_values == 256 ? 3 : 11);
      constexpr int64_t kRows = 21;
      RandomWeights weights;
      weights.bytes.resize(
          static_cast<size_t>(cols / info.block_values * info.block_bytes * kRows));
      for (std::byte& byte : weights.bytes) byte = static_cast<std::byte>(rng.below(256));
      const Packed packed(*kernel, weights, kRows, cols);
      std::vector<float> want(static_cast<size_t>(cols));
      std::vector<float> got(static_cast<size_t>(cols) + 1, kGuard);
      for (int64_t row = 0; row < kRows; ++row) {
        dequantize_row(
            kernel->type,
            weights.bytes.data() + weights.bytes.size() / kRows * static_cast<size_t>(row),
            want.data(), cols);
        kernel->dequantize_row(packed.bytes.data(), cols, row, got.data());
        ASSERT_EQ(got.back(), kGuard) << "wrote past the end";
        for (size_t at = 0; at < want.size(); ++at) {
          if (std::isnan(want[at])) {
            ASSERT_TRUE(std::isnan(got[at])) << at;
          } else {
            ASSERT_EQ(std::memcmp(&got[at], &want[at], sizeof(float)), 0)
                << "row " << row << ", column " << at << ": " << got[at] << " for " << want[at];
          }
        }
      }
    }
  }
}

// Zeros give zeros; a value that is not finite must not turn into numbers that look well.
TEST(MatmulInt8, UnusualActivations) {
  for (const KernelTable* table : supported_tables()) {
    MINIM_TRACE_TABLE(*table);
    Rng rng(testing::test_seed());
    const MatmulKernel& kernel =
        *find_matmul_kernel(*table, DataType::kQ4_0, MatmulPrecision::kInt8);
    const Packed weights(kernel, random_weights(rng, kernel.type, 20, 320), 20, 320);
    std::vector<float> x(320, 0.0f);
    for (int64_t r = 0; r < 20; ++r) EXPECT_EQ(product(weights, x)[static_cast<size_t>(r)], 0.0f);
    for (const float value : {INFINITY, -INFINITY, std::nanf("")}) {
      for (const size_t at : {size_t{0}, size_t{255}, size_t{300}}) {
        std::vector<float> strange = random_floats(rng, 320);
        strange[at] = value;
        const std::vector<float> out = product(weights, strange);
        for (size_t r = 0; r < 20; ++r) EXPECT_TRUE(std::isnan(out[r])) << out[r];
      }
    }
    for (const float tiny : {1e-45f, 1e-38f, 1e-30f}) {
      const std::vector<float> out = product(weights, std::vector<float>(320, tiny));
      for (size_t r = 0; r < 20; ++r) EXPECT_TRUE(std::isfinite(out[r])) << out[r];
    }
  }
}

}  // namespace
}  // namespace minim::kernels
