// Products with 8-bit activations: within derived bounds of what double precision gives, for the
// activations as rounded and for the activations themselves, and bit for bit the same however the
// work is cut.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <iterator>
#include <span>
#include <utility>

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

// Where a block keeps bits of its codes.
struct CodeField {
  DataType type;
  size_t begin;
  size_t bytes;
};
#define MINIM_CODE_FIELD(type, member) \
  { DataType::k##type, offsetof(Block##type, member), sizeof(Block##type::member) }
constexpr CodeField kCodeFields[] = {
    MINIM_CODE_FIELD(Q8_0, codes),     MINIM_CODE_FIELD(Q4_0, codes),
    MINIM_CODE_FIELD(Q4_1, codes),     MINIM_CODE_FIELD(Q5_0, codes),
    MINIM_CODE_FIELD(Q5_0, high_bits), MINIM_CODE_FIELD(Q5_1, codes),
    MINIM_CODE_FIELD(Q5_1, high_bits), MINIM_CODE_FIELD(Q2_K, codes),
    MINIM_CODE_FIELD(Q3_K, codes),     MINIM_CODE_FIELD(Q3_K, high_bits),
    MINIM_CODE_FIELD(Q4_K, codes),     MINIM_CODE_FIELD(Q5_K, codes),
    MINIM_CODE_FIELD(Q5_K, high_bits), MINIM_CODE_FIELD(Q6_K, codes),
    MINIM_CODE_FIELD(Q6_K, high_bits), MINIM_CODE_FIELD(Iq4Nl, codes),
    MINIM_CODE_FIELD(Iq4Xs, codes),    MINIM_CODE_FIELD(Mxfp4, codes),
    MINIM_CODE_FIELD(Nf4, codes),      MINIM_CODE_FIELD(Tq1_0, codes),
    MINIM_CODE_FIELD(Tq1_0, tail),     MINIM_CODE_FIELD(Tq2_0, codes),
};
#undef MINIM_CODE_FIELD

// Sets all bytes of codes of a row of blocks; scales and offsets stay.
void fill_codes(DataType type, std::span<std::byte> blocks, std::byte value) {
  const auto block_bytes = static_cast<size_t>(data_type_info(type).block_bytes);
  int fields = 0;
  for (const CodeField& field : kCodeFields) {
    if (field.type != type) continue;
    ++fields;
    for (size_t block = 0; block < blocks.size(); block += block_bytes) {
      std::memset(blocks.data() + block + field.begin, static_cast<int>(value), field.bytes);
    }
  }
  ASSERT_GT(fields, 0) << "kCodeFields lacks " << data_type_info(type).name;
}

// The offset of every value: where a type has them, that is what a code of zero stands for.
std::vector<float> offsets_of(DataType type, std::vector<std::byte> bytes, int64_t rows,
                              int64_t cols) {
  std::vector<float> offsets(static_cast<size_t>(rows * cols));
  constexpr DataType kWithOffsets[] = {DataType::kQ4_1, DataType::kQ5_1, DataType::kQ2_K,
                                       DataType::kQ4_K, DataType::kQ5_K};
  if (std::find(std::begin(kWithOffsets), std::end(kWithOffsets), type) == std::end(kWithOffsets)) {
    return offsets;
  }
  fill_codes(type, bytes, std::byte{0});
  const size_t row_bytes = bytes.size() / static_cast<size_t>(rows);
  for (int64_t row = 0; row < rows; ++row) {
    dequantize_row(type, bytes.data() + row_bytes * static_cast<size_t>(row),
                   offsets.data() + row * cols, cols);
  }
  return offsets;
}

// How far whole-number levels may be from those of NF4, in units of w[i].
double nf4_level_error(const float* w, int64_t i) {
  const float* block = w + i / kNf4BlockValues * kNf4BlockValues;
  float largest = 0;
  for (int j = 0; j < kNf4BlockValues; ++j) largest = std::max(largest, std::abs(block[j]));
  return 0.0037 * largest;
}

// The bounds. Each output is a chain of fused products
//   sum over chunks: s * sum over groups: scale * dot + offset * sum of codes of x
// whose dots and sums are whole numbers below 2^24, exact as floats. With u = 2^-24 and n products
// on the longest way from a term to the result, it is off by at most
//   n u / (1 - n u) * sum of s * (|scale * dot| + |offset * sum|)
// from the product with the rounded activations s * q (Higham, "Accuracy and Stability of Numerical
// Algorithms", 2002, section 3.1). Those are s / 2 from the activations, and a few units of the
// last place of 127 s more, because s and 127 / magnitude are floats. So are the weights that this
// test multiplies, u from scale * code + offset.
constexpr double kUnit = 0x1p-24;
constexpr double kHalfStep = 0.5 + 127 * 4 * kUnit;
constexpr int64_t kGroup = 16;  // no type sums fewer columns as whole numbers

// What one output should be, and how far the kernel may be from it.
struct Expected {
  double rounded = 0;        // of the activations as rounded
  double rounded_error = 0;  // of floats, and of NF4's whole-number levels
  double exact = 0;          // of the activations themselves
  double exact_error = 0;
};

// One token as the kernels round it.
struct RoundedToken {
  std::vector<float> scales;  // [chunks]
  std::vector<double> codes;  // [cols]
};

RoundedToken round_token(const float* x, int64_t cols) {
  RoundedToken token;
  for (int64_t begin = 0; begin < cols; begin += kChunk) {
    const int64_t end = std::min(begin + kChunk, cols);
    float magnitude = 0;
    for (int64_t i = begin; i < end; ++i) magnitude = std::max(magnitude, std::abs(x[i]));
    const float inverse = magnitude > 0 ? 127.0f / magnitude : 0.0f;
    token.scales.push_back(magnitude / 127.0f);
    for (int64_t i = begin; i < end; ++i) token.codes.push_back(std::nearbyint(x[i] * inverse));
  }
  return token;
}

// `w` and `offsets`: a row of weights, and what its values are where all codes are zero.
Expected expect(DataType type, const float* w, const float* offsets, const float* x,
                const RoundedToken& token, int64_t cols) {
  Expected expected;
  double magnitude = 0;
  double weight_error = 0;
  for (int64_t begin = 0; begin < cols; begin += kGroup) {
    const double scale = token.scales[static_cast<size_t>(begin / kChunk)];
    double dot = 0;
    double sum = 0;
    for (int64_t i = begin; i < begin + kGroup; ++i) {
      const double code = token.codes[static_cast<size_t>(i)];
      dot += (double{w[i]} - offsets[i]) * code;
      sum += code;
      expected.exact += double{w[i]} * x[i];
      expected.exact_error += std::abs(w[i]) * kHalfStep * scale;
      const double error = type == DataType::kNf4 ? nf4_level_error(w, i) : std::abs(w[i]) * kUnit;
      weight_error += error * scale * std::abs(code);
    }
    expected.rounded += scale * (dot + offsets[begin] * sum);
    magnitude += scale * (std::abs(dot) + std::abs(offsets[begin] * sum));
  }
  // Two products a group, one a chunk; the scale of NF4, and the second rounding of the plain set.
  const auto chunks = static_cast<double>(token.scales.size());
  const double products = (2.0 * kChunk / kGroup + chunks + 2) * kUnit;
  expected.rounded_error = products / (1 - products) * magnitude + weight_error + 0x1p-126;
  expected.exact_error += expected.rounded_error;
  return expected;
}

// Random weights and activations, and their products.
struct Sample {
  Sample(Rng& rng, DataType of, int64_t row_count, int64_t col_count, int64_t token_count)
      : Sample{of, row_count, col_count, random_weights(rng, of, row_count, col_count),
               random_floats(rng, static_cast<size_t>(token_count * col_count))} {}

  Sample(DataType of, int64_t row_count, int64_t col_count, RandomWeights of_weights,
         std::vector<float> activations)
      : type(of),
        rows(row_count),
        cols(col_count),
        weights(std::move(of_weights)),
        x(std::move(activations)) {
    const std::vector<float> offsets = offsets_of(type, weights.bytes, rows, cols);
    for (size_t t = 0; t < x.size(); t += static_cast<size_t>(cols)) {
      const RoundedToken token = round_token(x.data() + t, cols);
      for (int64_t r = 0; r < rows; ++r) {
        expected.push_back(expect(type, weights.values.data() + r * cols, offsets.data() + r * cols,
                                  x.data() + t, token, cols));
      }
    }
  }

  DataType type;
  int64_t rows;
  int64_t cols;
  RandomWeights weights;
  std::vector<float> x;            // [tokens, cols]
  std::vector<Expected> expected;  // [tokens, rows]
};

// The product of the first `rows` rows with the first `tokens` tokens.
void check_part(const KernelTable& table, const Sample& sample, int64_t rows, int64_t tokens) {
  SCOPED_TRACE(fmt::format("{}: {} x {} by {} tokens", data_type_info(sample.type).name, rows,
                           sample.cols, tokens));
  const MatmulKernel& kernel = *find_matmul_kernel(table, sample.type, MatmulPrecision::kInt8);
  const Packed packed(kernel, sample.weights, rows, sample.cols);
  const std::vector<float> out =
      product(packed, {sample.x.begin(), sample.x.begin() + tokens * sample.cols});
  for (int64_t t = 0; t < tokens; ++t) {
    const float* row = out.data() + t * (rows + 3);
    for (int64_t r = 0; r < rows; ++r) {
      const Expected& want = sample.expected[static_cast<size_t>(t * sample.rows + r)];
      ASSERT_NEAR(row[r], want.rounded, want.rounded_error) << "row " << r << ", token " << t;
      ASSERT_NEAR(row[r], want.exact, want.exact_error) << "row " << r << ", token " << t;
    }
    for (int64_t r = rows; r < rows + 3; ++r) ASSERT_EQ(row[r], kGuard) << "wrote past the rows";
  }
}

void check_whole(const KernelTable& table, const Sample& sample) {
  check_part(table, sample, sample.rows, static_cast<int64_t>(sample.x.size()) / sample.cols);
}

std::vector<const MatmulKernel*> int8_kernels(const KernelTable& table) {
  std::vector<const MatmulKernel*> kernels;
  for (const MatmulKernel* kernel : matmul_kernels(table)) {
    if (kernel->precision == MatmulPrecision::kInt8) kernels.push_back(kernel);
  }
  return kernels;
}

// Every number of columns up to a chunk and a block, and more than are widened at a time.
TEST(MatmulInt8, ProductsOfEveryTypeOverAllColumns) {
  const auto tables = supported_tables();
  for (const MatmulKernel* kernel : int8_kernels(*tables.front())) {
    Rng rng(testing::test_seed());
    const int64_t block = data_type_info(kernel->type).block_values;
    std::vector<int64_t> columns;
    for (int64_t cols = block; cols <= kChunk + block; cols += block) columns.push_back(cols);
    columns.push_back(8192 + block);
    for (const int64_t cols : columns) {
      const Sample sample(rng, kernel->type, cols < 8192 ? 21 : 35, cols, 18);
      for (const KernelTable* table : tables) {
        MINIM_TRACE_TABLE(*table);
        check_part(*table, sample, sample.rows, 1);
        check_whole(*table, sample);
      }
    }
  }
}

// Rows around panels and tiles, tokens around tiles and blocks of them.
TEST(MatmulInt8, ProductsOfEveryTypeOverAllRowsAndTokens) {
  const auto tables = supported_tables();
  for (const MatmulKernel* kernel : int8_kernels(*tables.front())) {
    Rng rng(testing::test_seed());
    const int64_t block = data_type_info(kernel->type).block_values;
    const Sample sample(rng, kernel->type, 49, block == 256 ? block : 3 * block, 40);
    for (const KernelTable* table : tables) {
      MINIM_TRACE_TABLE(*table);
      for (int64_t rows = 1; rows <= sample.rows; ++rows) {
        check_part(*table, sample, rows, 3);
        check_part(*table, sample, rows, 19);
      }
      for (int64_t tokens = 1; tokens <= 40; ++tokens) check_part(*table, sample, 18, tokens);
    }
  }
}

// The largest and the smallest codes of every type by activations that are all at their limits:
// sums of 16 bits must not overflow.
TEST(MatmulInt8, ExtremeCodesDoNotOverflow) {
  constexpr int kPatterns[] = {0xff, 0x00, 0x77, 0x80, 0x7f, 0xf0, 0x0f};
  constexpr int64_t kRows = std::size(kPatterns);
  constexpr int64_t kCols = 512;
  constexpr int64_t kTokens = 40;
  std::vector<float> x;
  for (int64_t t = 0; t < kTokens; ++t) {
    for (int64_t i = 0; i < kCols; ++i) {
      x.push_back(t % 3 == 0 || (t % 3 == 2 && i % 4 < 2) ? 1.0f : -1.0f);
    }
  }
  const auto tables = supported_tables();
  for (const MatmulKernel* kernel : int8_kernels(*tables.front())) {
    Rng rng(testing::test_seed());
    RandomWeights weights = random_weights(rng, kernel->type, kRows, kCols);
    const size_t row_bytes = weights.bytes.size() / kRows;
    for (size_t row = 0; row < kRows; ++row) {
      const std::span<std::byte> bytes(weights.bytes.data() + row * row_bytes, row_bytes);
      fill_codes(kernel->type, bytes, static_cast<std::byte>(kPatterns[row]));
      dequantize_row(kernel->type, bytes.data(), weights.values.data() + row * kCols, kCols);
    }
    const Sample sample(kernel->type, kRows, kCols, weights, x);
    for (const KernelTable* table : tables) {
      MINIM_TRACE_TABLE(*table);
      check_part(*table, sample, kRows, 3);
      check_whole(*table, sample);
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
