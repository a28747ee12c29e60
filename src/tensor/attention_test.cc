// Attention on every instruction set against a naive version in double precision.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <utility>

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
  // Makes NaN of the blocks below `slot`.
  void spoil(int64_t slot) {
    for (int64_t i = 0; i < slot / layout_.block_tokens; ++i) {
      std::memset(pointers_[static_cast<size_t>(i)], 0xff, layout_.block_bytes());
    }
  }

  // What is stored for column `column` of a head, read as kv_view.h draws it.
  float key(int layer, int kv_head, int64_t slot, int column) const {
    const Place at = place(layout_.key_offset(layer, kv_head), slot);
    const int block = column / 32;
    switch (layout_.type) {
      case DataType::kF32: return load<float>(at.group + (column * 16 + at.token) * 4);
      case DataType::kF16: return half_at(at.group + (column * 16 + at.token) * 2);
      case DataType::kQ8_0: {
        const auto code = load<uint8_t>(at.group + (column / 4 * 16 + at.token) * 4 + column % 4);
        return scale(at, block) * static_cast<float>(code - 128);
      }
      default: {
        const auto both = load<uint8_t>(at.group + (column / 8 * 16 + at.token) * 4 + column % 4);
        const int code = column % 8 < 4 ? both & 15 : both >> 4;
        return scale(at, block) * static_cast<float>(code - 8);
      }
    }
  }
  float value(int layer, int kv_head, int64_t slot, int column) const {
    const Place at = place(layout_.value_offset(layer, kv_head), slot);
    const int block = column / 32;
    const std::byte* codes =
        at.group + at.token * blocks() * (layout_.type == DataType::kQ8_0 ? 32 : 16);
    switch (layout_.type) {
      case DataType::kF32:
        return load<float>(at.group + (at.token * layout_.head_dim + column) * 4);
      case DataType::kF16: return half_at(at.group + (at.token * layout_.head_dim + column) * 2);
      case DataType::kQ8_0:
        return scale(at, block) * static_cast<float>(load<int8_t>(codes + column));
      default: {
        const auto both = load<uint8_t>(codes + block * 16 + column % 16);
        const int code = column % 32 < 16 ? both & 15 : both >> 4;
        return scale(at, block) * static_cast<float>(code - 8);
      }
    }
  }

 private:
  struct Place {
    const std::byte* group;
    int token;
  };
  Place place(size_t offset, int64_t slot) const {
    const auto in_block = static_cast<size_t>(slot % layout_.block_tokens);
    const std::byte* block = pointers_[static_cast<size_t>(slot / layout_.block_tokens)];
    return {block + offset + in_block / 16 * layout_.group_bytes(),
            static_cast<int>(in_block % 16)};
  }
  template <typename T>
  static T load(const std::byte* at) {
    T value;
    std::memcpy(&value, at, sizeof(value));
    return value;
  }
  static float half_at(const std::byte* at) { return half_to_float(load<uint16_t>(at)); }
  int blocks() const { return (layout_.head_dim + 31) / 32; }
  float scale(const Place& at, int block) const {
    const int codes = 32 * 16 * (layout_.type == DataType::kQ8_0 ? 8 : 4) / 8;
    return half_at(at.group + blocks() * codes + (block * 16 + at.token) * 2);
  }

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

bool is_coded(DataType type) { return type == DataType::kQ8_0 || type == DataType::kQ4_0; }

// What the cache holds, [slots, kv_heads * head_dim].
Matrix stored_rows(const Case& test, const Cache& cache, bool values) {
  const int64_t slots = test.first_slot + test.tokens;
  Matrix rows{{}, slots, int64_t{test.kv_heads} * test.head_dim};
  for (int64_t slot = 0; slot < slots; ++slot) {
    for (int head = 0; head < test.kv_heads; ++head) {
      for (int i = 0; i < test.head_dim; ++i) {
        rows.values.push_back(values ? cache.value(1, head, slot, i) : cache.key(1, head, slot, i));
      }
    }
  }
  return rows;
}

// Queries rounded as those of coded caches are: 8 bits, a scale for 32 values of a head.
Matrix rounded_queries(const Case& test, const Matrix& queries) {
  Matrix rounded = queries;
  for (size_t head = 0; head < rounded.values.size(); head += static_cast<size_t>(test.head_dim)) {
    for (int i = 0; i < test.head_dim; i += 32) {
      const int count = std::min(32, test.head_dim - i);
      float* x = rounded.values.data() + head + i;
      float peak = 0;
      for (int j = 0; j < count; ++j) peak = std::max(peak, std::fabs(x[j]));
      const float inverse = 127.0f / peak;
      for (int j = 0; j < count; ++j) x[j] = std::nearbyint(x[j] * inverse) * (peak / 127.0f);
    }
  }
  return rounded;
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
      score +=
          double{at(q, t, int64_t{head} * test.head_dim + i)} * double{at(k, key, kv_column + i)};
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
          weights[key] / sum * double{at(v, first + static_cast<int64_t>(key), kv_column + i)};
    }
  }
  return result;
}

// Random inputs of a case, and the cache that they went into.
struct Inputs {
  Inputs(const Case& test, const Context& context)
      : rng(testing::test_seed()),
        layout{test.type, 2, test.kv_heads, test.head_dim, test.block_tokens},
        slots(test.first_slot + test.tokens),
        cache(layout, slots),
        keys(random_matrix(rng, slots, int64_t{test.kv_heads} * test.head_dim, 2.0f)),
        values(random_matrix(rng, slots, keys.cols)),
        queries(random_matrix(rng, test.tokens, int64_t{test.heads} * test.head_dim, 2.0f)),
        out(random_matrix(rng, test.tokens, queries.cols)) {
    const int64_t cut = slots / 3;  // written in two goes
    store_kv(context, cache.view(), 1, 0, keys.view().row_range(0, cut),
             values.view().row_range(0, cut));
    store_kv(context, cache.view(), 1, cut, keys.view().row_range(cut, slots - cut),
             values.view().row_range(cut, slots - cut));
  }

  Rng rng;
  KvLayout layout;
  int64_t slots;
  Cache cache;
  Matrix keys;
  Matrix values;
  Matrix queries;
  Matrix out;
};

void expect_naive(const Case& test, const Inputs& run, const Matrix& queries, const Matrix& keys,
                  const Matrix& values, double error_max) {
  for (int64_t t = 0; t < test.tokens; ++t) {
    for (int head = 0; head < test.heads; ++head) {
      const std::vector<double> want = naive(test, queries, keys, values, t, head);
      for (int i = 0; i < test.head_dim; ++i) {
        const size_t at = static_cast<size_t>(t * run.out.cols + head * test.head_dim + i);
        ASSERT_NEAR(run.out.values[at], want[static_cast<size_t>(i)], error_max)
            << "token " << t << ", head " << head << ", value " << i;
      }
    }
  }
}

std::vector<float> run(const Case& test, const kernels::KernelTable& table, int threads,
                       bool compare) {
  SCOPED_TRACE(test.name());
  ThreadPool pool(threads);
  const Context context{pool, table, {}};
  Inputs run(test, context);
  attention(context, run.cache.view(), 1, test.first_slot, test.options(), run.queries.view(),
            run.out.view());
  if (!compare) return run.out.values;
  const Matrix queries =
      is_coded(test.type) ? rounded_queries(test, run.queries) : std::move(run.queries);
  expect_naive(test, run, queries, stored_rows(test, run.cache, false),
               stored_rows(test, run.cache, true), 2e-5);
  return run.out.values;
}

void run_on_every_table(const Case& test) {
  for (const kernels::KernelTable* table : testing::supported_tables()) {
    MINIM_TRACE_TABLE(*table);
    run(test, *table, 1, true);
    if (::testing::Test::HasFailure()) return;
  }
}

constexpr DataType kCacheTypes[] = {DataType::kF32, DataType::kF16, DataType::kQ8_0,
                                    DataType::kQ4_0};

TEST(Attention, PromptsOfAllLengthsAcrossBlocks) {
  for (const DataType type : kCacheTypes) {
    for (int64_t tokens = 1; tokens <= 70; tokens += 5) {
      run_on_every_table({.type = type, .block_tokens = 16, .tokens = tokens});
    }
  }
}

TEST(Attention, SingleTokensAtAllDepths) {
  for (const DataType type : kCacheTypes) {
    for (int64_t first_slot = 0; first_slot <= 140; ++first_slot) {
      run_on_every_table({.type = type, .head_dim = 32, .first_slot = first_slot});
    }
  }
}

TEST(Attention, HeadSizesAndGroups) {
  for (const DataType type : kCacheTypes) {
    for (const int head_dim : {1, 10, 31, 32, 48, 80, 128, 256}) {
      for (const int group : {1, 2, 3, 5, 8}) {
        for (const int64_t tokens : {1, 3}) {
          run_on_every_table({.type = type,
                              .heads = 2 * group,
                              .head_dim = head_dim,
                              .first_slot = 37,
                              .tokens = tokens});
        }
      }
    }
  }
}

TEST(Attention, OneKeyValueHeadForVeryManyQueryHeads) {
  run_on_every_table({.heads = 71, .kv_heads = 1, .head_dim = 16, .first_slot = 33, .tokens = 2});
}

TEST(Attention, BlockSizes) {
  for (const DataType type : kCacheTypes) {
    for (const int block_tokens : {1, 5, 16, 17, 32, 33, 64, 100}) {
      run_on_every_table(
          {.type = type, .block_tokens = block_tokens, .first_slot = 90, .tokens = 40});
      run_on_every_table({.type = type, .block_tokens = block_tokens, .first_slot = 99});
    }
  }
}

TEST(Attention, SlidingWindows) {
  for (const DataType type : kCacheTypes) {
    for (const int window : {1, 2, 15, 16, 31, 33, 64, 500}) {
      run_on_every_table({.type = type, .first_slot = 100, .tokens = 1, .window = window});
      run_on_every_table({.type = type, .first_slot = 5, .tokens = 90, .window = window});
    }
  }
}

TEST(Attention, SoftCap) {
  for (const DataType type : kCacheTypes) {
    run_on_every_table(
        {.type = type, .first_slot = 40, .tokens = 20, .window = 30, .soft_cap = 1.5f});
    run_on_every_table({.type = type, .first_slot = 40, .soft_cap = 50.0f});
  }
}

TEST(Attention, LongContextsAreSplitAndMerged) {
  for (const DataType type : kCacheTypes) {
    run_on_every_table({.type = type, .head_dim = 16, .first_slot = 1023});
    run_on_every_table({.type = type, .head_dim = 16, .first_slot = 1024});
    run_on_every_table({.type = type, .head_dim = 16, .first_slot = 1500, .tokens = 4});
    run_on_every_table(
        {.type = type, .head_dim = 16, .first_slot = 2500, .tokens = 4, .window = 1300});
    run_on_every_table(
        {.type = type, .head_dim = 16, .block_tokens = 5, .first_slot = 1500, .window = 1100});
  }
  run_on_every_table({.head_dim = 8, .first_slot = 9000, .soft_cap = 5.0f});
}

TEST(Attention, ThreadsDoNotChangeTheResult) {
  for (const kernels::KernelTable* table : testing::supported_tables()) {
    MINIM_TRACE_TABLE(*table);
    for (const DataType type : kCacheTypes) {
      for (const Case& test :
           {Case{.type = type, .head_dim = 32, .first_slot = 2000},
            Case{.type = type, .head_dim = 32, .first_slot = 3, .tokens = 100},
            Case{.type = type, .first_slot = 1700, .tokens = 3, .window = 1650}}) {
        const std::vector<float> one = run(test, *table, 1, false);
        for (const int threads : {2, 5}) EXPECT_EQ(one, run(test, *table, threads, false));
      }
    }
  }
}

// What rounding does: half a step of the largest magnitude of 32 values, and its half-precision
// scale; 4 bits have 8 steps towards one side and 7 towards the other.
TEST(Attention, StoredValuesAreNearTheirs) {
  ThreadPool pool(2);
  for (const kernels::KernelTable* table : testing::supported_tables()) {
    MINIM_TRACE_TABLE(*table);
    for (const DataType type : kCacheTypes) {
      for (const int head_dim : {8, 32, 48, 64}) {
        const Case test{.type = type, .head_dim = head_dim, .block_tokens = 24, .first_slot = 50};
        SCOPED_TRACE(test.name());
        const Inputs run(test, Context{pool, *table, {}});
        for (const bool values : {false, true}) {
          const Matrix stored = stored_rows(test, run.cache, values);
          const std::vector<float>& x = values ? run.values.values : run.keys.values;
          for (size_t head = 0; head < x.size(); head += static_cast<size_t>(head_dim)) {
            for (int i = 0; i < head_dim; ++i) {
              float peak = 0;
              for (int j = i / 32 * 32; j < std::min(i / 32 * 32 + 32, head_dim); ++j) {
                peak = std::max(peak, std::fabs(x[head + static_cast<size_t>(j)]));
              }
              const size_t at = head + static_cast<size_t>(i);
              const float bound = type == DataType::kF32    ? 0
                                  : type == DataType::kF16  ? std::fabs(x[at]) / 2047
                                  : type == DataType::kQ8_0 ? peak * (0.5f / 127 + 1.0f / 2047)
                                                            : peak * (1.0f / 8 + 1.0f / 2047);
              ASSERT_NEAR(stored.values[at], x[at], bound) << "values " << values << ", " << at;
            }
          }
        }
      }
    }
  }
}

// What a coded cache costs, against exact arithmetic on what was put in: of values of deviation 1
// averaged over 200 keys of about equal weight. 4 bits are 16 times as coarse as 8.
TEST(Attention, CodedCachesLoseLittle) {
  ThreadPool pool(1);
  for (const kernels::KernelTable* table : testing::supported_tables()) {
    MINIM_TRACE_TABLE(*table);
    for (const auto& [type, error_max] :
         {std::pair(DataType::kQ8_0, 0.006), {DataType::kQ4_0, 0.1}}) {
      Case test{.type = type, .first_slot = 199, .tokens = 1};
      SCOPED_TRACE(test.name());
      const Context context{pool, *table, {}};
      Inputs run(test, context);
      for (float& query : run.queries.values) query *= 0.25f;
      attention(context, run.cache.view(), 1, test.first_slot, test.options(), run.queries.view(),
                run.out.view());
      expect_naive(test, run, run.queries, run.keys, run.values, error_max);
    }
  }
}

// A value that is no number shows wherever it was looked at, and nowhere else.
TEST(Attention, NotANumberStaysOne) {
  ThreadPool pool(1);
  for (const kernels::KernelTable* table : testing::supported_tables()) {
    MINIM_TRACE_TABLE(*table);
    const Context context{pool, *table, {}};
    for (const DataType type : kCacheTypes) {
      for (const float bad :
           {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
        const Case test{.type = type, .heads = 1, .kv_heads = 1, .first_slot = 9, .tokens = 1};
        SCOPED_TRACE(test.name());
        Inputs run(test, context);
        run.values.values[4 * 64 + 3] = bad;
        store_kv(context, run.cache.view(), 1, 4, run.keys.view().row_range(4, 1),
                 run.values.view().row_range(4, 1));
        attention(context, run.cache.view(), 1, 9, test.options(), run.queries.view(),
                  run.out.view());
        EXPECT_FALSE(std::isfinite(run.out.values[3]));
        EXPECT_TRUE(std::isfinite(run.out.values[40]));
        run.keys.values[4 * 64 + 3] = bad;
        store_kv(context, run.cache.view(), 1, 4, run.keys.view().row_range(4, 1),
                 run.values.view().row_range(4, 1));
        attention(context, run.cache.view(), 1, 9, test.options(), run.queries.view(),
                  run.out.view());
        EXPECT_FALSE(std::isfinite(run.out.values[3]));
      }
    }
  }
}

// Several sequences at once, each as if it were alone.
TEST(Attention, BatchesOfSequences) {
  for (const kernels::KernelTable* table : testing::supported_tables()) {
    MINIM_TRACE_TABLE(*table);
    for (const int threads : {1, 3}) {
      ThreadPool pool(threads);
      const Context context{pool, *table, {}};
      std::vector<std::unique_ptr<Inputs>> runs;
      std::vector<AttentionChunk> chunks;
      std::vector<std::vector<float>> alone;
      const AttentionOptions options = Case{}.options();
      for (const DataType type : kCacheTypes) {
        for (const auto& [first_slot, tokens] :
             {std::pair<int64_t, int64_t>{0, 1}, {0, 70}, {33, 1}, {1600, 1}, {1500, 3}, {31, 2}}) {
          const Case test{.type = type, .first_slot = first_slot, .tokens = tokens};
          auto run = std::make_unique<Inputs>(test, context);
          attention(context, run->cache.view(), 1, first_slot, options, run->queries.view(),
                    run->out.view());
          alone.push_back(run->out.values);
          // The rows of the batch come only now.
          const Matrix zeros{std::vector<float>(run->keys.values.size()), run->slots,
                             run->keys.cols};
          Matrix copy = zeros;
          store_kv(context, run->cache.view(), 1, first_slot, copy.view().row_range(0, tokens),
                   copy.view().row_range(0, tokens));
          std::fill(run->out.values.begin(), run->out.values.end(), 0.0f);
          chunks.push_back({run->cache.view(), first_slot,
                            run->keys.view().row_range(first_slot, tokens),
                            run->values.view().row_range(first_slot, tokens), run->queries.view(),
                            run->out.view()});
          runs.push_back(std::move(run));
        }
      }
      attention(context, 1, options, chunks);
      for (size_t i = 0; i < runs.size(); ++i) EXPECT_EQ(runs[i]->out.values, alone[i]) << i;
      attention(context, 1, options, {});
      EXPECT_THROW(attention(context, 1, options, std::vector<AttentionChunk>(65, chunks[0])),
                   Error);
    }
  }
}

// The same bits, whether tokens come all at once or in pieces of kPromptTokensMin and more; and no
// slot is read below first_key_read().
TEST(Attention, HoweverAPromptIsCutItsRowsAreTheSame) {
  for (const kernels::KernelTable* table : testing::supported_tables()) {
    MINIM_TRACE_TABLE(*table);
    ThreadPool pool(2);
    const Context context{pool, *table, {}};
    for (const DataType type : kCacheTypes) {
      for (const int heads : {2, 6, 34}) {
        for (const int window : {0, 40, 150}) {
          const Case test{.type = type,
                          .heads = heads,
                          .head_dim = 32,
                          .first_slot = 300,
                          .tokens = 171,
                          .window = window};
          SCOPED_TRACE(test.name());
          Inputs run(test, context);
          const auto attend = [&](int64_t begin, int64_t count) {
            attention(context, run.cache.view(), 1, test.first_slot + begin, test.options(),
                      run.queries.view().row_range(begin, count),
                      run.out.view().row_range(begin, count));
          };
          attend(0, test.tokens);
          const std::vector<float> whole =
              std::exchange(run.out.values, std::vector<float>(run.out.values.size(), 1e9f));
          if (window > 0) run.cache.spoil(first_key_read(run.layout, window, test.first_slot));
          for (int64_t begin = 0; begin < test.tokens;) {
            int64_t count = kPromptTokensMin + static_cast<int64_t>(run.rng.below(60));
            if (test.tokens - begin - count < kPromptTokensMin) count = test.tokens - begin;
            attend(begin, count);
            begin += count;
          }
          EXPECT_EQ(run.out.values, whole);
        }
      }
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
