#include "tensor/kv_rows.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "base/error.h"
#include "kernels/testing/random_data.h"

namespace minim {
namespace {

constexpr DataType kCacheTypes[] = {DataType::kF32, DataType::kF16, DataType::kQ8_0,
                                    DataType::kQ4_0};

// How far a stored value may be from what was put in, of values up to 4.
double rounding(DataType type) {
  return type == DataType::kF32    ? 0
         : type == DataType::kF16  ? 4.0 / 2048
         : type == DataType::kQ8_0 ? 4.0 / 250
                                   : 4.0 / 7.5;
}

struct Blocks {
  Blocks(const KvLayout& layout, int count) : memory(static_cast<size_t>(count)) {
    for (auto& block : memory) {
      block.resize(layout.block_bytes());
      pointers.push_back(block.data());
    }
  }
  std::vector<std::vector<std::byte>> memory;
  std::vector<std::byte*> pointers;
};

ConstMatrixView view(const std::vector<float>& values, int64_t cols) {
  return {values.data(), static_cast<int64_t>(values.size()) / cols, cols, cols};
}

class KvRows : public ::testing::TestWithParam<DataType> {
 protected:
  std::vector<float> random(size_t count) {
    std::vector<float> values = testing::random_floats(rng_, count, 1.0f);
    for (float& value : values) value = std::min(4.0f, std::max(-4.0f, value));
    return values;
  }

  // All keys of a layer, [slots, kv_heads * head_dim].
  std::vector<float> keys_of(const KvLayout& layout, const Blocks& blocks, int layer) {
    const int groups = (layout.block_tokens + 15) / 16;
    std::vector<float> keys;
    std::vector<float> rows(static_cast<size_t>(16 * layout.head_dim));
    for (const std::byte* block : blocks.pointers) {
      for (int token = 0; token < layout.block_tokens; ++token) {
        EXPECT_LT(token / 16, groups);
        for (int head = 0; head < layout.kv_head_count; ++head) {
          load_keys(layout, {layer, head}, token / 16, block, rows.data());
          const auto row = rows.begin() + token % 16 * layout.head_dim;
          keys.insert(keys.end(), row, row + layout.head_dim);
        }
      }
    }
    return keys;
  }

  Rng rng_{testing::test_seed()};
  ThreadPool pool_{2};
};

INSTANTIATE_TEST_SUITE_P(CacheTypes, KvRows, ::testing::ValuesIn(kCacheTypes),
                         [](const auto& tested) { return data_type_info(tested.param).name; });

TEST_P(KvRows, KeysComeBack) {
  for (const kernels::KernelTable* table : testing::supported_tables()) {
    const Context context{pool_, *table, {}};
    for (const int head_dim : {2, 8, 48, 64}) {
      const KvLayout layout{GetParam(), 2, 3, head_dim, 24};
      const Blocks blocks(layout, 3);
      const int64_t cols = 3 * head_dim;
      const auto keys = random(static_cast<size_t>(72 * cols));
      const auto values = random(keys.size());
      store_kv(context, {&layout, blocks.pointers}, 1, 0, view(keys, cols), view(values, cols));
      const auto stored = keys_of(layout, blocks, 1);
      for (size_t i = 0; i < keys.size(); ++i)
        ASSERT_NEAR(stored[i], keys[i], rounding(GetParam()));
    }
  }
}

// What was stored for one position and turned is what another position would have stored, and
// nothing else changes.
TEST_P(KvRows, TurnedKeysAreThoseOfOtherPositions) {
  for (const kernels::KernelTable* table : testing::supported_tables()) {
    MINIM_TRACE_TABLE(*table);
    const Context context{pool_, *table, {}};
    const KvLayout layout{GetParam(), 2, 2, 48, 32};
    for (const RopePairing pairing : {RopePairing::kAdjacent, RopePairing::kHalves}) {
      std::vector<float> frequencies;
      for (int pair = 0; pair < 20; ++pair) {  // eight values of a head stay as they are
        frequencies.push_back(std::pow(10000.0f, -static_cast<float>(pair) / 20));
      }
      const RopeTable rope_table{frequencies, 1.1f, pairing};
      const auto plain = random(64 * 96);
      const auto keys_at = [&](int32_t first) {
        std::vector<float> keys = plain;
        std::vector<int32_t> positions;
        for (int32_t i = 0; i < 64; ++i) positions.push_back(first + i);
        rope(context, rope_table, positions, 48, {keys.data(), 64, 96, 96});
        return keys;
      };
      Blocks blocks(layout, 2);
      const auto stored = keys_at(4000);
      const auto values = random(stored.size());
      for (const int layer : {0, 1}) {
        store_kv(context, {&layout, blocks.pointers}, layer, 0, view(stored, 96), view(values, 96));
      }
      const Blocks before = blocks;
      turn_keys(context, layout, 1, rope_table, -2016, blocks.pointers);
      const auto turned = keys_of(layout, blocks, 1);
      const auto expected = keys_at(4000 - 2016);
      for (size_t i = 0; i < turned.size(); ++i) {
        ASSERT_NEAR(turned[i], expected[i], 2.5 * rounding(GetParam()) + 1e-5) << i;
      }
      for (size_t block = 0; block < 2; ++block) {
        const auto same = [&](size_t begin, size_t end) {
          return std::equal(blocks.memory[block].begin() + static_cast<std::ptrdiff_t>(begin),
                            blocks.memory[block].begin() + static_cast<std::ptrdiff_t>(end),
                            before.memory[block].begin() + static_cast<std::ptrdiff_t>(begin));
        };
        EXPECT_TRUE(same(0, layout.key_offset(1, 0))) << "the other layer";
        EXPECT_TRUE(same(layout.value_offset(1, 0), layout.block_bytes())) << "the values";
      }
    }
  }
}

// Cleared tokens leave no byte of theirs: a block of rows that were stored and cleared is one in
// which they never were.
TEST_P(KvRows, ClearedTokensAreGone) {
  const Context context{pool_, kernels::select_kernel_table(), {}};
  for (const int head_dim : {8, 48}) {
    for (const int first : {0, 1, 15, 16, 17, 31, 39}) {
      const KvLayout layout{GetParam(), 2, 2, head_dim, 40};
      const int64_t cols = 2 * head_dim;
      Blocks all(layout, 1);
      Blocks some(layout, 1);
      const auto keys = random(static_cast<size_t>(40 * cols));
      for (const int layer : {0, 1}) {
        store_kv(context, {&layout, all.pointers}, layer, 0, view(keys, cols), view(keys, cols));
        const ConstMatrixView rows = view(keys, cols);
        store_kv(context, {&layout, some.pointers}, layer, 0, rows.row_range(0, first),
                 rows.row_range(0, first));
      }
      clear_tokens(layout, first, all.memory[0].data());
      EXPECT_EQ(all.memory[0], some.memory[0]) << head_dim << ", from " << first;
    }
  }
}

TEST(KvRowsTest, ShapesThatDoNotFitAreErrors) {
  ThreadPool pool(1);
  const Context context{pool, kernels::select_kernel_table(), {}};
  const KvLayout layout{DataType::kF32, 1, 1, 8, 16};
  const std::vector<float> frequencies(5, 1.0f);
  EXPECT_THROW(turn_keys(context, layout, 0, {frequencies}, -1, {}), Error);
  EXPECT_THROW(turn_keys(context, layout, 1, {}, -1, {}), Error);
}

}  // namespace
}  // namespace minim
