// The operations: shapes, threads, packing. What the kernels compute is tested beside them.
#include "tensor/ops.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <set>

#include "base/error.h"
#include "kernels/testing/random_data.h"

namespace minim {
namespace {

using testing::random_floats;
using testing::random_weights;
using testing::RandomWeights;

struct Matrix {
  Matrix(int64_t row_count, int64_t col_count)
      : values(static_cast<size_t>(row_count * (col_count + 1)), 0.0f),
        rows(row_count),
        cols(col_count) {}
  Matrix(Rng& rng, int64_t row_count, int64_t col_count) : Matrix(row_count, col_count) {
    values = random_floats(rng, values.size());
  }
  MatrixView view() { return {values.data(), rows, cols, cols + 1}; }
  ConstMatrixView view() const { return {values.data(), rows, cols, cols + 1}; }

  std::vector<float> values;
  int64_t rows;
  int64_t cols;
};

class Ops : public ::testing::Test {
 protected:
  WeightMatrix pack(DataType type, int64_t rows, int64_t cols,
                    MatmulPrecision precision = MatmulPrecision::kFloat32) {
    const auto weights = std::make_shared<RandomWeights>(random_weights(rng_, type, rows, cols));
    return WeightMatrix::pack(context_, type, rows, cols, weights->bytes, weights, memory_,
                              precision);
  }

  ThreadPool pool_{2};
  Context context_{pool_, kernels::select_kernel_table_from_environment(), {}};
  WeightMemory memory_;
  Rng rng_{testing::test_seed()};
};

// Everything that one context computes from one seed, end to end; products only as fine as
// `precisions` says.
std::vector<float> everything(const kernels::KernelTable& table, int threads,
                              const std::set<MatmulPrecision>& precisions) {
  ThreadPool pool(threads);
  const Context context{pool, table, {}};
  Rng rng(testing::test_seed());
  WeightMemory memory;
  std::vector<float> results;
  const auto keep = [&](const Matrix& matrix) {
    results.insert(results.end(), matrix.values.begin(), matrix.values.end());
  };
  for (const kernels::MatmulKernel* found : kernels::matmul_kernels(table)) {
    const kernels::MatmulKernel& kernel = *found;
    if (!precisions.contains(kernel.precision)) continue;
    for (const int64_t tokens : {1, 3, 150}) {
      const auto weights =
          std::make_shared<RandomWeights>(random_weights(rng, kernel.type, 100, 256));
      const WeightMatrix matrix = WeightMatrix::pack(context, kernel.type, 100, 256, weights->bytes,
                                                     weights, memory, kernel.precision);
      const Matrix x(rng, tokens, 256);
      Matrix out(tokens, 100);
      matmul(context, matrix, x.view(), out.view());
      keep(out);
    }
  }
  Matrix x(rng, 300, 192);
  const Matrix up(rng, 300, 192);
  const std::vector<float> weight = random_floats(rng, 192);
  rms_norm(context, x.view(), weight, 1e-5f, x.view());
  gated_activate(context, Activation::kSilu, x.view(), up.view());
  add(context, up.view(), x.view());
  add_bias(context, weight, x.view());
  layer_norm(context, x.view(), weight, weight, 1e-5f, x.view());
  rms_norm_heads(context, x.view(), std::span(weight).first(48), 1e-5f);
  softmax(context, x.view());
  keep(x);
  return results;
}

TEST_F(Ops, ThreadsDoNotChangeTheResult) {
  for (const kernels::KernelTable* table : testing::supported_tables()) {
    MINIM_TRACE_TABLE(*table);
    const std::set<MatmulPrecision> all = {MatmulPrecision::kFloat32, MatmulPrecision::kBfloat16,
                                           MatmulPrecision::kInt8};
    const std::vector<float> one = everything(*table, 1, all);
    for (const int threads : {2, 3, 7}) EXPECT_EQ(one, everything(*table, threads, all)) << threads;
  }
}

// A row's result is the same bits whatever other rows come with it: of products of whole numbers
// always, of others on either side of kFewRowsMax.
TEST_F(Ops, ProductsDoNotDependOnTheNumberOfRows) {
  for (const kernels::KernelTable* table : testing::supported_tables()) {
    MINIM_TRACE_TABLE(*table);
    const Context context{pool_, *table, {}};
    for (const kernels::MatmulKernel* kernel : kernels::matmul_kernels(*table)) {
      SCOPED_TRACE(data_type_info(kernel->type).name);
      const auto weights =
          std::make_shared<RandomWeights>(random_weights(rng_, kernel->type, 40, 256));
      const WeightMatrix matrix = WeightMatrix::pack(context, kernel->type, 40, 256, weights->bytes,
                                                     weights, memory_, kernel->precision);
      const Matrix x(rng_, 150, 256);
      const auto product = [&](int64_t first, int64_t rows) {
        Matrix out(rows, 40);
        matmul(context, matrix, x.view().row_range(first, rows), out.view());
        return out.values;
      };
      const auto many = product(0, 150);
      const auto few = product(0, kernels::kFewRowsMax);
      const bool whole_numbers = kernel->precision == MatmulPrecision::kInt8;
      for (const int64_t rows : {1, 2, 3, 5, 8, 9, 15, 16, 17, 33, 65, 100}) {
        const bool is_few = rows <= kernels::kFewRowsMax && !whole_numbers;
        const int64_t first = is_few ? 8 - rows : 150 - rows;
        const auto got = product(first, rows);
        const auto expected = (is_few ? few : many).begin() + first * 41;
        EXPECT_TRUE(std::equal(got.begin(), got.end(), expected)) << rows;
      }
    }
  }
}

// The same bits as alone, when the first rows of a product are those of others than the rest.
TEST_F(Ops, FewRowsBesideManyAreTheirOwn) {
  for (const kernels::KernelTable* table : testing::supported_tables()) {
    MINIM_TRACE_TABLE(*table);
    for (const kernels::MatmulKernel* kernel : kernels::matmul_kernels(*table)) {
      SCOPED_TRACE(data_type_info(kernel->type).name);
      const Context context{pool_, *table, {}};
      const auto weights =
          std::make_shared<RandomWeights>(random_weights(rng_, kernel->type, 40, 256));
      const WeightMatrix matrix = WeightMatrix::pack(context, kernel->type, 40, 256, weights->bytes,
                                                     weights, memory_, kernel->precision);
      const Matrix x(rng_, 40, 256);
      const auto product = [&](int64_t first, int64_t rows, int64_t few_rows) {
        Matrix out(rows, 40);
        matmul(context, matrix, x.view().row_range(first, rows), out.view(), few_rows);
        return out.values;
      };
      const auto many = product(0, 40, kByNumber);
      for (const int64_t few : {0, 1, 2, 7, 8, 9, 20, 39, 40}) {
        const auto got = product(0, 40, few);
        for (int64_t row = 0; row < 40; ++row) {
          const auto alone = product(row, 1, kByNumber);
          const auto* want = row < few ? alone.data() : many.data() + row * 41;
          EXPECT_TRUE(std::equal(want, want + 40, got.begin() + row * 41)) << few << ": " << row;
        }
        // Many, although they are few.
        const auto rest = product(few, std::min<int64_t>(40 - few, 3), 0);
        EXPECT_TRUE(std::equal(rest.begin(), rest.end(), many.begin() + few * 41)) << few;
      }
    }
  }
  const Context context{pool_, kernels::kernel_table(InstructionSet::kScalar), {}};
  const auto weights = std::make_shared<RandomWeights>(random_weights(rng_, DataType::kF32, 4, 8));
  const WeightMatrix matrix = WeightMatrix::pack(context, DataType::kF32, 4, 8, weights->bytes,
                                                 weights, memory_, MatmulPrecision::kFloat32);
  const Matrix x(rng_, 3, 8);
  Matrix out(3, 4);
  EXPECT_THROW(matmul(context, matrix, x.view(), out.view(), 4), Error);
  EXPECT_THROW(matmul(context, matrix, x.view(), out.view(), -2), Error);
}

// Each instruction set is within rounding of scalar on the whole chain; scalar has no products of
// bfloat16.
TEST_F(Ops, InstructionSetsAgree) {
  const std::set<MatmulPrecision> common = {MatmulPrecision::kFloat32, MatmulPrecision::kInt8};
  const std::vector<float> scalar =
      everything(kernels::kernel_table(InstructionSet::kScalar), 1, common);
  for (const kernels::KernelTable* table : testing::supported_tables()) {
    MINIM_TRACE_TABLE(*table);
    const std::vector<float> got = everything(*table, 1, common);
    ASSERT_EQ(got.size(), scalar.size());
    for (size_t i = 0; i < got.size(); ++i) {
      ASSERT_NEAR(got[i], scalar[i], 1e-4 * (1 + std::abs(scalar[i]))) << i;
    }
  }
}

TEST_F(Ops, SeveralTargetsAreThatManyProducts) {
  const WeightMatrix a = pack(DataType::kF32, 64, 256);
  const WeightMatrix b = pack(DataType::kQ4_K, 17, 256);
  const WeightMatrix c = pack(DataType::kF16, 130, 256);
  for (const int64_t tokens : {1, 40}) {
    const Matrix x(rng_, tokens, 256);
    Matrix together_a(tokens, 64), together_b(tokens, 17), together_c(tokens, 130);
    Matrix alone_a(tokens, 64), alone_b(tokens, 17), alone_c(tokens, 130);
    const MatmulTarget targets[] = {
        {&a, together_a.view()}, {&b, together_b.view()}, {&c, together_c.view()}};
    matmul(context_, targets, x.view());
    matmul(context_, a, x.view(), alone_a.view());
    matmul(context_, b, x.view(), alone_b.view());
    matmul(context_, c, x.view(), alone_c.view());
    EXPECT_EQ(together_a.values, alone_a.values);
    EXPECT_EQ(together_b.values, alone_b.values);
    EXPECT_EQ(together_c.values, alone_c.values);
  }
}

TEST_F(Ops, NoTokensIsNoWork) {
  const WeightMatrix weights = pack(DataType::kF32, 4, 8);
  Matrix x(0, 8), out(0, 4);
  EXPECT_NO_THROW(matmul(context_, weights, x.view(), out.view()));
  EXPECT_NO_THROW(softmax(context_, x.view()));
}

TEST_F(Ops, EmbedLooksRowsUp) {
  for (const DataType type : {DataType::kF32, DataType::kF16, DataType::kQ6_K}) {
    const RandomWeights weights = random_weights(rng_, type, 9, 256);
    const WeightMatrix table =
        WeightMatrix::pack(context_, type, 9, 256, weights.bytes, nullptr, memory_);
    const int32_t ids[] = {8, 0, 3, 3};
    Matrix out(4, 256);
    embed(context_, table, ids, out.view());
    for (size_t t = 0; t < 4; ++t) {
      for (size_t i = 0; i < 256; ++i) {
        ASSERT_EQ(out.values[t * 257 + i], weights.values[static_cast<size_t>(ids[t]) * 256 + i]);
      }
    }
    for (const int32_t wrong : {-1, 9}) {
      const int32_t bad[] = {0, 1, 2, wrong};
      EXPECT_THROW(embed(context_, table, bad, out.view()), Error);
    }
  }
}

TEST_F(Ops, PackKeepsTheBytesAndTheirOwner) {
  auto owner = std::make_shared<RandomWeights>(random_weights(rng_, DataType::kQ8_0, 3, 64));
  const std::weak_ptr<RandomWeights> watch = owner;
  auto matrix = std::make_unique<WeightMatrix>(
      WeightMatrix::pack(context_, DataType::kQ8_0, 3, 64, owner->bytes, owner, memory_));
  EXPECT_EQ(matrix->data(), owner->bytes.data()) << "the kernels read the layout of files";
  owner.reset();
  EXPECT_FALSE(watch.expired());
  EXPECT_EQ(matrix->rows(), 3);
  EXPECT_EQ(matrix->cols(), 64);
  EXPECT_EQ(matrix->bytes(), 3u * 68u);
  EXPECT_EQ(matrix->precision(), MatmulPrecision::kFloat32);
  EXPECT_TRUE(WeightMatrix().empty());
  EXPECT_FALSE(matrix->empty());
  matrix.reset();
  EXPECT_TRUE(watch.expired());
}

TEST_F(Ops, PackRefusesBytesThatDoNotFit) {
  const std::vector<std::byte> bytes(1024);
  const auto pack_bytes = [&](DataType type, int64_t rows, int64_t cols, size_t count) {
    WeightMatrix::pack(context_, type, rows, cols, std::span(bytes).first(count), nullptr, memory_);
  };
  EXPECT_NO_THROW(pack_bytes(DataType::kF32, 4, 8, 128));
  EXPECT_THROW(pack_bytes(DataType::kF32, 4, 8, 127), Error);
  EXPECT_THROW(pack_bytes(DataType::kF32, 4, 8, 132), Error);
  EXPECT_THROW(pack_bytes(DataType::kF32, 0, 8, 0), Error);
  EXPECT_THROW(pack_bytes(DataType::kF32, -1, 8, 32), Error);
  EXPECT_THROW(pack_bytes(DataType::kF32, int64_t{1} << 61, 8, 0), Error);  // wraps to 0
  EXPECT_THROW(pack_bytes(DataType::kQ4_0, 2, 33, 38), Error);              // no whole block
  EXPECT_THROW(pack_bytes(DataType::kI32, 2, 2, 16), Error);                // no weight
}

TEST_F(Ops, PrecisionIsTheOneThatTheKernelsHave) {
  for (const DataTypeInfo& info : data_types()) {
    if (!info.is_weight) continue;
    const auto has = [&](MatmulPrecision precision) {
      return kernels::find_matmul_kernel(context_.kernels, info.type, precision) != nullptr;
    };
    const MatmulPrecision half =
        has(MatmulPrecision::kBfloat16) ? MatmulPrecision::kBfloat16 : MatmulPrecision::kFloat32;
    EXPECT_EQ(pack(info.type, 2, 256).precision(), MatmulPrecision::kFloat32);
    EXPECT_EQ(pack(info.type, 2, 256, MatmulPrecision::kBfloat16).precision(), half);
    EXPECT_EQ(pack(info.type, 2, 256, MatmulPrecision::kInt8).precision(),
              has(MatmulPrecision::kInt8) ? MatmulPrecision::kInt8 : half);
  }
}

// A kernel with a layout and an input form of its own: rows backwards, doubles instead of floats.
namespace backwards {

size_t packed_bytes(int64_t rows, int64_t cols) noexcept {
  return static_cast<size_t>(rows * cols) * sizeof(float);
}
void pack(const std::byte* stored, int64_t row_begin, int64_t row_end, int64_t cols,
          std::byte* packed) noexcept {
  const auto* from = reinterpret_cast<const float*>(stored);
  auto* to = reinterpret_cast<float*>(packed);
  for (int64_t r = row_begin; r < row_end; ++r) {
    for (int64_t c = 0; c < cols; ++c) to[r * cols + cols - 1 - c] = from[r * cols + c];
  }
}
void dequantize_row(const std::byte* weights, int64_t cols, int64_t row, float* out) noexcept {
  const auto* from = reinterpret_cast<const float*>(weights) + row * cols;
  for (int64_t c = 0; c < cols; ++c) out[c] = from[cols - 1 - c];
}
size_t prepared_bytes(int64_t cols) noexcept { return static_cast<size_t>(cols) * sizeof(double); }
void prepare(const float* x, int64_t cols, std::byte* prepared) noexcept {
  auto* to = reinterpret_cast<double*>(prepared);
  for (int64_t c = 0; c < cols; ++c) to[cols - 1 - c] = x[c];
}
void multiply(const kernels::MatmulSlice& slice) noexcept {
  for (int64_t t = 0; t < slice.tokens; ++t) {
    const auto* x = reinterpret_cast<const double*>(slice.input + t * slice.input_stride);
    for (int64_t r = slice.row_begin; r < slice.row_end; ++r) {
      const float* w = reinterpret_cast<const float*>(slice.weights) + r * slice.cols;
      double sum = 0;
      for (int64_t c = 0; c < slice.cols; ++c) sum += w[c] * x[c];
      slice.out[t * slice.out_stride + r] = static_cast<float>(sum);
    }
  }
}

}  // namespace backwards

TEST_F(Ops, KernelsMayPackWeightsAndPrepareInputs) {
  const kernels::MatmulKernel rows[] = {
      *kernels::find_matmul_kernel(context_.kernels, DataType::kF32, MatmulPrecision::kFloat32),
      {.type = DataType::kF32,
       .precision = MatmulPrecision::kInt8,
       .row_multiple = 1,
       .packed_bytes = backwards::packed_bytes,
       .pack = backwards::pack,
       .dequantize_row = backwards::dequantize_row,
       .prepared_bytes = backwards::prepared_bytes,
       .prepare = backwards::prepare,
       .multiply = backwards::multiply}};
  kernels::KernelTable table = context_.kernels;
  table.float_matmuls = {rows, 1};
  table.int8.matmuls = {rows + 1, 1};
  const Context context{pool_, table, {}};

  const RandomWeights weights = random_weights(rng_, DataType::kF32, 50, 64);
  auto owner = std::make_shared<int>(0);
  const WeightMatrix stored =
      WeightMatrix::pack(context, DataType::kF32, 50, 64, weights.bytes, owner, memory_);
  const WeightMatrix packed = WeightMatrix::pack(context, DataType::kF32, 50, 64, weights.bytes,
                                                 owner, memory_, MatmulPrecision::kInt8);
  EXPECT_EQ(owner.use_count(), 2) << "packed weights do not keep the file";
  std::vector<float> row(64);
  packed.dequantize_row(7, row.data());
  EXPECT_TRUE(std::equal(row.begin(), row.end(), weights.values.begin() + 7 * 64));
  for (const int64_t tokens : {1, 200}) {
    const Matrix x(rng_, tokens, 64);
    Matrix a(tokens, 50), b(tokens, 50), c(tokens, 50), d(tokens, 50);
    const MatmulTarget targets[] = {
        {&packed, a.view()}, {&stored, b.view()}, {&packed, c.view()}, {&stored, d.view()}};
    matmul(context, targets, x.view());
    EXPECT_EQ(a.values, c.values);
    EXPECT_EQ(b.values, d.values);
    for (size_t i = 0; i < a.values.size(); ++i) ASSERT_NEAR(a.values[i], b.values[i], 1e-4);
  }
}

TEST_F(Ops, ShapesThatDoNotFitAreErrors) {
  const WeightMatrix weights = pack(DataType::kF32, 4, 8);
  Matrix x(2, 8), out(2, 4), narrow(2, 7), tall(3, 4);
  EXPECT_NO_THROW(matmul(context_, weights, x.view(), out.view()));
  EXPECT_THROW(matmul(context_, weights, narrow.view(), out.view()), Error);
  EXPECT_THROW(matmul(context_, weights, x.view(), narrow.view()), Error);
  EXPECT_THROW(matmul(context_, weights, x.view(), tall.view()), Error);
  EXPECT_THROW(matmul(context_, WeightMatrix(), x.view(), out.view()), Error);
  const std::vector<float> weight(8, 1.0f);
  const std::span<const float> few = std::span(weight).first(7);
  EXPECT_THROW(rms_norm(context_, x.view(), few, 1e-5f, x.view()), Error);
  EXPECT_THROW(rms_norm(context_, x.view(), weight, 1e-5f, narrow.view()), Error);
  EXPECT_THROW(rms_norm_heads(context_, x.view(), few, 1e-5f), Error);
  EXPECT_THROW(rms_norm_heads(context_, x.view(), {}, 1e-5f), Error);
  EXPECT_THROW(layer_norm(context_, x.view(), weight, few, 1e-5f, x.view()), Error);
  EXPECT_THROW(add(context_, x.view(), out.view()), Error);
  EXPECT_THROW(add_bias(context_, few, x.view()), Error);
  EXPECT_THROW(gated_activate(context_, Activation::kSilu, x.view(), out.view()), Error);
  EXPECT_THROW(soft_cap(context_, 0.0f, x.view()), Error);
}

TEST_F(Ops, RopeShapesThatDoNotFitAreErrors) {
  Matrix x(2, 8);
  const float frequencies[] = {1.0f, 0.1f, 0.01f};
  const int32_t positions[] = {0, 1};
  const RopeTable two{.frequencies = std::span(frequencies).first(2)};
  EXPECT_NO_THROW(rope(context_, two, positions, 4, x.view()));
  EXPECT_THROW(rope(context_, {.frequencies = frequencies}, positions, 4, x.view()), Error);
  EXPECT_THROW(rope(context_, two, positions, 3, x.view()), Error);
  EXPECT_THROW(rope(context_, two, positions, 0, x.view()), Error);
  EXPECT_THROW(rope(context_, two, std::span(positions).first(1), 4, x.view()), Error);
  const int32_t far[] = {0, 1 << 24};
  EXPECT_THROW(rope(context_, two, far, 4, x.view()), Error);
  const int32_t negative[] = {0, -1};
  EXPECT_THROW(rope(context_, two, negative, 4, x.view()), Error);
}

TEST_F(Ops, RopeTakesEachTokensPosition) {
  const float frequencies[] = {0.5f};
  const int32_t positions[] = {3, 0};
  Matrix x(2, 2);
  x.values = {1.0f, 0.0f, 0.0f, 1.0f, 0.0f, 0.0f};  // [1, 0] and [1, 0], rows of 2 + 1
  rope(context_, {.frequencies = frequencies}, positions, 2, x.view());
  EXPECT_NEAR(x.values[0], std::cos(1.5), 1e-6);
  EXPECT_NEAR(x.values[1], std::sin(1.5), 1e-6);
  EXPECT_EQ(x.values[3], 1.0f);
  EXPECT_EQ(x.values[4], 0.0f);
}

}  // namespace
}  // namespace minim
