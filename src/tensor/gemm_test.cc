#include "tensor/gemm.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "base/error.h"
#include "kernels/testing/random_data.h"

namespace minim {
namespace {

using testing::random_floats;

struct Shape {
  int64_t m;
  int64_t n;
  int64_t k;
};

ConstMatrixView view(const std::vector<float>& values, int64_t rows, int64_t cols) {
  return {values.data(), rows, cols, cols};
}
MatrixView view(std::vector<float>& values, int64_t rows, int64_t cols) {
  return {values.data(), rows, cols, cols};
}

std::vector<float> multiply(const Context& context, const Shape& shape, const GemmOptions& options,
                            const std::vector<float>& a, const std::vector<float>& b) {
  std::vector<float> out(static_cast<size_t>(shape.m * shape.n), 0.5f);
  const auto left = options.transpose_a ? view(a, shape.k, shape.m) : view(a, shape.m, shape.k);
  const auto right = options.transpose_b ? view(b, shape.n, shape.k) : view(b, shape.k, shape.n);
  gemm(context, left, right, view(out, shape.m, shape.n), options);
  return out;
}

double element(const Shape& shape, const GemmOptions& options, const std::vector<float>& a,
               const std::vector<float>& b, int64_t row, int64_t col) {
  double sum = options.accumulate ? 0.5 : 0.0;
  for (int64_t d = 0; d < shape.k; ++d) {
    const auto left =
        static_cast<size_t>(options.transpose_a ? d * shape.m + row : row * shape.k + d);
    const auto right =
        static_cast<size_t>(options.transpose_b ? col * shape.k + d : d * shape.n + col);
    sum += double{a[left]} * b[right];
  }
  return sum;
}

// The largest needs several blocks of depth, the deepest several parts of panels.
constexpr Shape kShapes[] = {{1, 1, 1}, {5, 17, 3}, {130, 70, 900}, {33, 300, 9000}};

TEST(GemmTest, EveryTransposition) {
  ThreadPool threads(3);
  const Context context{threads, kernels::select_kernel_table_from_environment(), {}};
  Rng rng(testing::test_seed());
  for (const Shape& shape : kShapes) {
    const auto a = random_floats(rng, static_cast<size_t>(shape.m * shape.k));
    const auto b = random_floats(rng, static_cast<size_t>(shape.k * shape.n));
    for (int bits = 0; bits < 8; ++bits) {
      const GemmOptions options{(bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0};
      const auto out = multiply(context, shape, options, a, b);
      for (int64_t i = 0; i < 40; ++i) {
        const int64_t row = i * 7919 % shape.m;
        const int64_t col = i * 104729 % shape.n;
        ASSERT_NEAR(out[static_cast<size_t>(row * shape.n + col)],
                    element(shape, options, a, b, row, col), 1e-4 * std::sqrt(double(shape.k)))
            << shape.m << " x " << shape.n << " x " << shape.k << ", options " << bits;
      }
    }
  }
}

TEST(GemmTest, TheBitsDoNotDependOnTheThreads) {
  Rng rng(testing::test_seed());
  for (const kernels::KernelTable* table : testing::supported_tables()) {
    MINIM_TRACE_TABLE(*table);
    for (const Shape& shape : {Shape{130, 70, 900}, Shape{700, 40, 300}}) {
      const auto a = random_floats(rng, static_cast<size_t>(shape.m * shape.k));
      const auto b = random_floats(rng, static_cast<size_t>(shape.k * shape.n));
      for (const GemmPrecision precision : {GemmPrecision::kFloat32, GemmPrecision::kBfloat16}) {
        std::vector<float> alone;
        for (const int count : {1, 2, 5, 16}) {
          ThreadPool threads(count);
          const Context context{threads, *table, {}};
          if (precision == GemmPrecision::kBfloat16 && !has_bfloat16_gemm(context)) continue;
          const auto out = multiply(context, shape, {.precision = precision}, a, b);
          if (count == 1) alone = out;
          EXPECT_EQ(out, alone) << count << " threads";
        }
      }
    }
  }
}

TEST(GemmTest, ShapesThatDoNotFitAreRefused) {
  ThreadPool threads(1);
  const Context context{threads, kernels::kernel_table(InstructionSet::kScalar), {}};
  std::vector<float> values(64);
  EXPECT_THROW(gemm(context, view(values, 2, 3), view(values, 4, 5), view(values, 2, 5)), Error);
  EXPECT_THROW(gemm(context, view(values, 2, 3), view(values, 3, 5), view(values, 2, 4)), Error);
  EXPECT_THROW(gemm(context, view(values, 2, 3), view(values, 3, 5), view(values, 2, 5),
                    {.precision = GemmPrecision::kBfloat16}),
               Error);
  EXPECT_FALSE(has_bfloat16_gemm(context));
}

TEST(GemmTest, NothingToSumIsZero) {
  ThreadPool threads(1);
  const Context context{threads, kernels::kernel_table(InstructionSet::kScalar), {}};
  std::vector<float> out = {1, 2};
  std::vector<float> none;
  gemm(context, view(none, 1, 0), view(none, 0, 2), view(out, 1, 2), {.accumulate = true});
  EXPECT_EQ(out, (std::vector<float>{1, 2}));
  gemm(context, view(none, 1, 0), view(none, 0, 2), view(out, 1, 2));
  EXPECT_EQ(out, (std::vector<float>{0, 0}));
}

}  // namespace
}  // namespace minim
