#include "model/batch.h"

#include <gtest/gtest.h>

#include "model/random_model.h"
#include "model/testing/sequence.h"
#include "model/testing/tiny_model.h"
#include "tests/support/test_data.h"

namespace minim {
namespace {

using testing::forward_all;
using testing::ModelTestContext;
using testing::TestChunk;
using testing::TestSequence;

class FewRowsTest : public ::testing::Test {
 protected:
  std::optional<FewRows> count(const std::vector<int64_t>& counts,
                               const std::vector<int32_t>& outputs) {
    chunks_.clear();
    int64_t rows = 0;
    for (const int64_t chunk : counts) {
      chunks_.push_back({.begin = rows, .count = chunk});
      rows += chunk;
    }
    tokens_.assign(static_cast<size_t>(rows), 0);
    return count_few_rows({.tokens = tokens_, .chunks = chunks_, .outputs = outputs});
  }

  std::vector<int32_t> tokens_;
  std::vector<SequenceChunk> chunks_;
};

TEST_F(FewRowsTest, AreThoseOfShortChunks) {
  const auto few = count({1, 1, 8, 9, 30}, {0, 1, 9, 18, 48});
  ASSERT_TRUE(few);
  EXPECT_EQ(few->rows, 10);
  EXPECT_EQ(few->outputs, 5);
}

TEST_F(FewRowsTest, AChunkOfManyRowsMayHaveManyOutputs) {
  std::vector<int32_t> outputs = {0};
  for (int32_t row = 12; row < 24; ++row) outputs.push_back(row);
  const auto few = count({1, 9, 14}, outputs);
  ASSERT_TRUE(few);
  EXPECT_EQ(few->rows, 1);
  EXPECT_EQ(few->outputs, 1);
  // What follows a chunk of many outputs has none, or many too.
  EXPECT_TRUE(count({1, 14, 12}, {0, 2, 3, 4, 5, 6, 7, 8, 9, 10}));
  EXPECT_FALSE(count({1, 14, 12}, {0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 26}));
}

TEST_F(FewRowsTest, ComeFirst) {
  EXPECT_FALSE(count({9, 1}, {}));
  EXPECT_TRUE(count({9, 9}, {}));
  EXPECT_TRUE(count({}, {}));
}

struct Case {
  const char* architecture;
  DataType type;
};

class BatchAloneTest : public ::testing::TestWithParam<Case> {};

// What a chunk gets is what a batch of it alone gives, and one of few rows what its rows give one
// by one, to the last bit.
TEST_P(BatchAloneTest, OthersInABatchChangeNothing) {
  const testing::TemporaryFolder folder;
  const ModelTestContext context(3);
  ModelConfig config = testing::tiny_config(GetParam().architecture);
  config.vocabulary_size = 400;
  config.dim = config.ffn_dim == 0 ? 256 : 64;
  if (config.expert_count > 0) config.expert_ffn_dim = 256;
  const Path path = folder.path() / "model.gguf";
  write_random_model(*context, config, path, {.type = GetParam().type, .seed = 3});
  const auto model = Model::load(*context, open_model_file(path));

  const std::vector<int64_t> counts = {1, 1, 1, 8, 1, 2, 1, 1, 1, 1, 9, 17, 10};
  std::vector<TestChunk> chunks;
  std::vector<std::unique_ptr<TestSequence>> sequences;
  std::vector<float> alone;
  for (size_t i = 0; i < counts.size(); ++i) {
    std::vector<int32_t> start, tokens;
    for (int64_t at = 0; at < counts[i]; ++at) {
      tokens.push_back(static_cast<int32_t>((i * 7 + static_cast<size_t>(at) * 5) % 400));
    }
    for (size_t at = 0; at < 3 + i; ++at) start.push_back(static_cast<int32_t>(at * i % 400));
    auto own = std::make_unique<TestSequence>(*model, 64);
    forward_all(*context, *model, *own, start);
    const size_t step = tokens.size() <= 8 ? 1 : tokens.size();
    for (size_t at = 0; at < tokens.size(); at += step) {
      const auto logits = forward_all(*context, *model, *own, {&tokens[at], step});
      alone.insert(alone.end(), logits.begin(), logits.end());
    }
    sequences.push_back(std::make_unique<TestSequence>(*model, 64));
    forward_all(*context, *model, *sequences.back(), start);
    chunks.push_back({sequences.back().get(), tokens});
  }
  const auto together = forward_all(*context, *model, chunks);
  ASSERT_EQ(together.size(), alone.size());
  for (size_t i = 0; i < alone.size(); ++i) ASSERT_EQ(together[i], alone[i]) << "row " << i / 400;
}

INSTANTIATE_TEST_SUITE_P(
    Types, BatchAloneTest,
    ::testing::Values(Case{"llama", DataType::kF32}, Case{"llama", DataType::kF16},
                      Case{"gemma3", DataType::kBf16}, Case{"llama", DataType::kQ4_0},
                      Case{"qwen3", DataType::kQ8_0}, Case{"gpt2", DataType::kF16},
                      Case{"phi3", DataType::kF32}, Case{"qwen3moe", DataType::kF32},
                      Case{"qwen3moe", DataType::kF16}, Case{"qwen3moe", DataType::kQ4_K}),
    [](const auto& test) {
      return std::string(test.param.architecture) + "_" + data_type_info(test.param.type).name;
    });

}  // namespace
}  // namespace minim
