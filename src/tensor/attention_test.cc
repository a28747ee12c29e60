// Attention on every instruction set against a naive version in double precision.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "base/error.h"
#include "base/half.h"
#include "kernels/testing/random_data.h"
#include "tensor/ops.h"

namespace minim {
namespace {

using testing::random_floats;

// A cache of one sequence whose blocks lie apart in memory.
class Cache {
 public:
  Cache(const KvLayout& layout, int64_t slots) : layout_(layout) {
    const int64_t count = (slots + layout.block_tokens - 1) / layout.block_tokens;
    for (int64_t i = 0; i < count; ++i) {
      // 0xff makes NaN of whatever is read and was never written.
      memory_.emplace_back(layout.block_bytes(), std::byte{0xff});
    }
    for (auto& block : memory_) pointers_.push_back(block.data());
    std::reverse(pointers_.begin(), pointers_.end());
  }
  KvView view() const { return {&layout_, pointers_}; }

 private:
  KvLayout layout_;
  std::vector<std::vector<std::byte>> memory_;
  std::vector<std::byte*> pointers_;
};

struct Case {
  DataType type = DataType::kF16;
  int heads = 4;
  int kv_heads = 2;
  int head_dim = 64;
  int block_tokens = 32;
  int64_t first_slot = 0;
  int64_t tokens = 1;
  int window = 0;
  float soft_cap = 0;

  std::string name() const {
    return fmt::format("{} {}/{} heads of {}, blocks of {}, {} tokens at {}, window {}, cap {}",
                       data_type_info(type).name, heads, kv_heads, head_dim, block_tokens, tokens,
                       first_slot, window, soft_cap);
  }
  AttentionOptions options() const {
    return {.head_count = heads,
            .scale = 1.0f / std::sqrt(static_cast<float>(head_dim)),
            .soft_cap = soft_cap,
            .window = window};
  }
};

struct Matrix {
  std::vector<float> values;
  int64_t rows;
  int64_t cols;
  MatrixView view() { return {values.data(), rows, cols, cols}; }
};

Matrix random_matrix(Rng& rng, int64_t rows, int64_t cols, float deviation = 1.0f) {
  return {random_floats(rng, static_cast<size_t>(rows * cols), deviation), rows, cols};
}

// What the cache holds of a float.
double stored(DataType type, float value) {
  return type == DataType::kF16 ? half_to_float(float_to_half(value)) : value;
}

// Query head `head` of token t over all it may see: the textbook formula.
std::vector<double> naive(const Case& test, const Matrix& q, const Matrix& k, const Matrix& v,
                          int64_t t, int head) {
  const int64_t position = test.first_slot + t;
  const int64_t first = test.window > 0 ? std::max<int64_t>(0, position - test.window + 1) : 0;
  const int64_t kv_column = int64_t{head / (test.heads / test.kv_heads)} * test.head_dim;
  const auto at = [](const Matrix& m, int64_t row, int64_t column) {
    return m.values[static_cast<size_t>(row * m.cols + column)];
  };
  std::vector<double> weights;
  double sum = 0;
  for (int64_t key = first; key <= position; ++key) {
    double score = 0;
    for (int i = 0; i < test.head_dim; ++i) {
      score += double{at(q, t, int64_t{head} * test.head_dim + i)} *
               stored(test.type, at(k, key, kv_column + i));
    }
    score *= test.options().scale;
    if (test.soft_cap > 0) score = test.soft_cap * std::tanh(score / test.soft_cap);
    weights.push_back(std::exp(score));
    sum += weights.back();
  }
  std::vector<double> result(static_cast<size_t>(test.head_dim));
  for (size_t key = 0; key < weights.size(); ++key) {
    for (int i = 0; i < test.head_dim; ++i) {
      result[static_cast<size_t>(i)] +=
          weights[key] / sum *
          stored(test.type, at(v, first + static_cast<int64_t>(key), kv_column + i));
    }
  }
  return result;
}

std::vector<float> run(const Case& test, const kernels::KernelTable& table, int threads,
                       bool compare) {
  SCOPED_TRACE(test.name());
  ThreadPool pool(threads);
  const Context context{pool, table, {}};
  Rng rng(testing::test_seed());
  const KvLayout layout{test.type, 2, test.kv_heads, test.head_dim, test.block_tokens};
  const int64_t slots = test.first_slot + test.tokens;
  const Cache cache(layout, slots);
  Matrix keys = random_matrix(rng, slots, int64_t{test.kv_heads} * test.head_dim, 2.0f);
  Matrix values = random_matrix(rng, slots, keys.cols);
  Matrix queries = random_matrix(rng, test.tokens, int64_t{test.heads} * test.head_dim, 2.0f);
  Matrix out = random_matrix(rng, test.tokens, queries.cols);
  const int64_t cut = slots / 3;  // written in two goes
  store_kv(context, cache.view(), 1, 0, keys.view().row_range(0, cut),
           values.view().row_range(0, cut));
  store_kv(context, cache.view(), 1, cut, keys.view().row_range(cut, slots - cut),
           values.view().row_range(cut, slots - cut));
  attention(context, cache.view(), 1, test.first_slot, test.options(), queries.view(), out.view());
  if (!compare) return out.values;
  for (int64_t t = 0; t < test.tokens; ++t) {
    for (int head = 0; head < test.heads; ++head) {
      const std::vector<double> want = naive(test, queries, keys, values, t, head);
      for (int i = 0; i < test.head_dim; ++i) {
        const size_t at = static_cast<size_t>(t * out.cols + head * test.head_dim + i);
        EXPECT_NEAR(out.values[at], want[static_cast<size_t>(i)], 2e-5)
            << "token " << t << ", head " << head << ", value " << i;
        if (::testing::Test::HasFailure()) return out.values;
      }
    }
  }
  return out.values;
}

void run_on_every_table(const Case& test) {
  for (const kernels::KernelTable* table : testing::supported_tables()) {
    MINIM_TRACE_TABLE(*table);
    run(test, *table, 1, true);
    if (::testing::Test::HasFailure()) return;
  }
}

TEST(Attention, PromptsOfAllLengthsAcrossBlocks) {
  for (int64_t tokens = 1; tokens <= 70; tokens += 3) {
    run_on_every_table({.block_tokens = 16, .tokens = tokens});
  }
}

TEST(Attention, SingleTokensAtAllDepths) {
  for (int64_t first_slot = 0; first_slot <= 70; ++first_slot) {
    run_on_every_table({.first_slot = first_slot});
  }
}

TEST(Attention, HeadSizesAndGroups) {
  for (const DataType type : {DataType::kF32, DataType::kF16}) {
    for (const int head_dim : {1, 8, 10, 48, 80, 96, 128, 256}) {
      for (const int group : {1, 2, 3, 4, 5, 8}) {
        run_on_every_table({.type = type,
                            .heads = 2 * group,
                            .head_dim = head_dim,
                            .first_slot = 37,
                            .tokens = 3});
      }
    }
  }
}

TEST(Attention, OneKeyValueHeadForVeryManyQueryHeads) {
  run_on_every_table({.heads = 71, .kv_heads = 1, .head_dim = 16, .first_slot = 33, .tokens = 2});
}

TEST(Attention, BlockSizes) {
  for (const int block_tokens : {1, 5, 32, 33, 64, 100}) {
    run_on_every_table({.block_tokens = block_tokens, .first_slot = 90, .tokens = 40});
    run_on_every_table({.block_tokens = block_tokens, .first_slot = 99});
  }
}

TEST(Attention, SlidingWindows) {
  for (const int window : {1, 2, 15, 16, 31, 33, 64, 500}) {
    run_on_every_table({.first_slot = 100, .tokens = 1, .window = window});
    run_on_every_table({.first_slot = 5, .tokens = 90, .window = window});
  }
}

TEST(Attention, SoftCap) {
  run_on_every_table({.first_slot = 40, .tokens = 20, .window = 30, .soft_cap = 1.5f});
  run_on_every_table({.first_slot = 40, .soft_cap = 50.0f});
}

TEST(Attention, LongContextsAreSplitAndMerged) {
  run_on_every_table({.head_dim = 16, .first_slot = 511});
  run_on_every_table({.head_dim = 16, .first_slot = 512});
  run_on_every_table({.head_dim = 16, .first_slot = 1500, .tokens = 4});
  run_on_every_table({.head_dim = 16, .first_slot = 1500, .tokens = 4, .window = 700});
  run_on_every_table({.head_dim = 8, .first_slot = 9000, .soft_cap = 5.0f});
}

TEST(Attention, ThreadsDoNotChangeTheResult) {
  for (const kernels::KernelTable* table : testing::supported_tables()) {
    MINIM_TRACE_TABLE(*table);
    for (const Case& test : {Case{.first_slot = 2000}, Case{.first_slot = 3, .tokens = 100},
                             Case{.first_slot = 700, .tokens = 3, .window = 650}}) {
      const std::vector<float> one = run(test, *table, 1, false);
      for (const int threads : {2, 3, 5}) EXPECT_EQ(one, run(test, *table, threads, false));
    }
  }
}

// Scores of +-1e4: only the largest counts, nothing overflows.
TEST(Attention, ExtremeScores) {
  ThreadPool pool(1);
  for (const kernels::KernelTable* table : testing::supported_tables()) {
    MINIM_TRACE_TABLE(*table);
    const Context context{pool, *table, {}};
    const KvLayout layout{DataType::kF32, 1, 1, 16, 8};
    const Cache cache(layout, 40);
    Matrix keys{std::vector<float>(40 * 16, -25.0f), 40, 16};
    Matrix values{std::vector<float>(40 * 16, -1.0f), 40, 16};
    std::fill_n(keys.values.begin() + 20 * 16, 16, 25.0f);
    std::fill_n(values.values.begin() + 20 * 16, 16, 7.0f);
    Matrix query{std::vector<float>(16, 25.0f), 1, 16};
    Matrix out = query;
    store_kv(context, cache.view(), 0, 0, keys.view(), values.view());
    attention(context, cache.view(), 0, 39, {.head_count = 1}, query.view(), out.view());
    for (const float value : out.values) EXPECT_EQ(value, 7.0f);
  }
}

TEST(Attention, ShapesThatDoNotFitAreErrors) {
  ThreadPool pool(1);
  const Context context{pool, kernels::select_kernel_table(), {}};
  const KvLayout layout{DataType::kF16, 1, 2, 8, 16};
  const Cache cache(layout, 16);
  Rng rng(1);
  Matrix rows = random_matrix(rng, 2, 32);
  Matrix out = rows;
  const auto attend = [&](int layer, int64_t slot, AttentionOptions options) {
    attention(context, cache.view(), layer, slot, options, rows.view(), out.view());
  };
  EXPECT_NO_THROW(attend(0, 14, {.head_count = 4}));
  EXPECT_THROW(attend(0, 15, {.head_count = 4}), Error);  // past the blocks
  EXPECT_THROW(attend(0, -1, {.head_count = 4}), Error);
  EXPECT_THROW(attend(1, 0, {.head_count = 4}), Error);  // no such layer
  EXPECT_THROW(attend(0, 0, {.head_count = 3}), Error);  // no multiple of the kv heads
  EXPECT_THROW(attend(0, 0, {.head_count = 2}), Error);  // not the query's columns
  EXPECT_THROW(attend(0, 0, {.head_count = 0}), Error);
  EXPECT_THROW(attend(0, 0, {.head_count = 4, .window = -1}), Error);
  EXPECT_THROW(store_kv(context, cache.view(), 0, 0, rows.view(), rows.view()), Error);
  const KvLayout bytes{DataType::kI8, 1, 2, 8, 16};
  const KvView wrong{&bytes, cache.view().blocks};
  EXPECT_THROW(attention(context, wrong, 0, 0, {.head_count = 4}, rows.view(), out.view()), Error);
}

}  // namespace
}  // namespace minim
