#include "runtime/embedder.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <utility>

#include "base/error.h"
#include "model/testing/tiny_model.h"
#include "runtime/testing/scheduler_rig.h"

namespace minim {
namespace {

using testing::some_tokens;

class EmbedderTest : public testing::SchedulerTest {
 protected:
  Embedder make(const EmbedderOptions& options = {}) {
    return Embedder(*context_, tiny_.model, tiny_.tokenizer, options);
  }

  // All hidden states of one text, by hand: [tokens, dim].
  std::vector<std::vector<float>> hidden(const Model& model, const std::vector<TokenId>& tokens) {
    testing::TestSequence sequence(model, 128, 32, DataType::kF16);
    const auto rows = static_cast<int64_t>(tokens.size());
    std::vector<int32_t> positions(tokens.size());
    for (size_t i = 0; i < positions.size(); ++i) positions[i] = static_cast<int32_t>(i);
    const SequenceChunk chunk = {0, rows, 0, sequence.view()};
    Activations activations(model.config(), rows);
    std::vector<float> values(tokens.size() * 64);
    model.forward_hidden(*context_, {tokens, positions, {&chunk, 1}, positions}, activations,
                         {values.data(), rows, 64, 64});
    std::vector<std::vector<float>> result;
    for (size_t i = 0; i < tokens.size(); ++i) {
      result.emplace_back(values.begin() + static_cast<int64_t>(i) * 64,
                          values.begin() + static_cast<int64_t>(i + 1) * 64);
    }
    return result;
  }

  // Texts of all lengths around the sizes of pieces, some that begin alike.
  static std::vector<std::vector<TokenId>> texts() {
    std::vector<std::vector<TokenId>> all;
    for (const size_t count : {1, 3, 8, 9, 17, 18, 40, 100, 128}) {
      all.push_back(some_tokens(count, count));
      all.push_back(some_tokens(count, 100));
    }
    return all;
  }
};

std::vector<float> copy(std::span<const float> values) { return {values.begin(), values.end()}; }

TEST_F(EmbedderTest, PoolingIsWhatItSays) {
  for (const Pooling pooling : {Pooling::kMean, Pooling::kLast, Pooling::kFirst}) {
    SCOPED_TRACE(pooling_name(pooling));
    Embedder embedder = make({.pooling = pooling, .normalize = false});
    EXPECT_STREQ(embedder.pooling_source(), "the caller");
    const Embeddings embeddings = embedder.embed_tokens(texts());
    ASSERT_EQ(embeddings.count(), 18);
    for (size_t i = 0; i < texts().size(); ++i) {
      const auto states = hidden(*tiny_.model, texts()[i]);
      EXPECT_EQ(embeddings.token_counts[i], static_cast<int64_t>(states.size()));
      for (size_t column = 0; column < 64; ++column) {
        double expected = 0;
        if (pooling == Pooling::kLast) expected = states.back()[column];
        if (pooling == Pooling::kFirst) expected = states.front()[column];
        if (pooling == Pooling::kMean) {
          for (const auto& state : states) expected += state[column];
          expected /= static_cast<double>(states.size());
        }
        ASSERT_NEAR(embeddings.row(static_cast<int64_t>(i))[column], expected, 2e-5);
      }
    }
  }
}

TEST_F(EmbedderTest, OthersInABatchChangeNothing) {
  for (const DataType type : {DataType::kF32, DataType::kF16, DataType::kQ8_0}) {
    const testing::TinyModel tiny = testing::make_tiny_model(
        *context_, folder_.path() / fmt::format("{}.gguf", data_type_info(type).name), type);
    for (const Pooling pooling : {Pooling::kMean, Pooling::kLast, Pooling::kFirst}) {
      const EmbedderOptions options = {.pooling = pooling};
      Embedder embedder(*context_, tiny.model, tiny.tokenizer, options);
      const Embeddings together = embedder.embed_tokens(texts());
      for (size_t i = 0; i < texts().size(); ++i) {
        const Embeddings alone = embedder.embed_tokens({texts()[i]});
        ASSERT_EQ(copy(together.row(static_cast<int64_t>(i))), alone.values) << i;
      }
      // Small batches cut long texts, between the same bits of keys and values.
      EmbedderOptions small = options;
      small.packing.batch_tokens = 18;
      Embedder cut(*context_, tiny.model, tiny.tokenizer, small);
      ASSERT_EQ(cut.embed_tokens(texts()).values, together.values) << pooling_name(pooling);
    }
  }
}

TEST_F(EmbedderTest, WhatAllBeginWithIsComputedOnce) {
  std::vector<std::vector<TokenId>> alike;
  for (uint64_t i = 0; i < 5; ++i) {
    alike.push_back(some_tokens(60, 1));
    for (const TokenId token : some_tokens(4 + i * 9, i + 7)) alike.back().push_back(token);
  }
  int passes = 0;
  EmbedderOptions options = {.pooling = Pooling::kLast};
  options.packing.batch_tokens = 170;
  options.packing.run = [&](const std::function<void()>& work) {
    ++passes;
    work();
  };
  Embedder embedder = make(options);
  const Embeddings together = embedder.embed_tokens(alike);
  EXPECT_EQ(passes, 2) << "410 tokens, of which 55 or more are shared";
  for (size_t i = 0; i < alike.size(); ++i) {
    EXPECT_EQ(copy(together.row(static_cast<int64_t>(i))),
              embedder.embed_tokens({alike[i]}).values);
  }
}

TEST_F(EmbedderTest, LengthsAreOneAlsoOfFewerDimensions) {
  Embedder whole = make({.normalize = false});
  const Embeddings expected = whole.embed_tokens(texts());
  for (const int64_t dimensions : {1, 7, 64}) {
    Embedder embedder = make({.dimensions = dimensions});
    EXPECT_EQ(embedder.dimensions(), dimensions);
    const Embeddings embeddings = embedder.embed_tokens(texts());
    for (int64_t i = 0; i < embeddings.count(); ++i) {
      double squares = 0, length = 0;
      for (const float value : embeddings.row(i)) squares += double{value} * value;
      EXPECT_NEAR(squares, 1, 1e-6);
      const auto first = expected.row(i).first(static_cast<size_t>(dimensions));
      for (const float value : first) length += double{value} * value;
      for (size_t column = 0; column < first.size(); ++column) {
        EXPECT_NEAR(embeddings.row(i)[column], first[column] / std::sqrt(length), 1e-6);
      }
    }
  }
}

TEST_F(EmbedderTest, TextsAreCutOnlyOnRequest) {
  const std::vector<std::vector<TokenId>> two = {some_tokens(10, 1), some_tokens(140, 2)};
  Embedder strict = make();
  try {
    strict.embed_tokens(two);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kLimit);
    EXPECT_NE(std::string(error.what()).find("text 1"), std::string::npos) << error.what();
  }
  Embedder embedder = make({.truncate = true, .tokens_max = 20});
  const Embeddings embeddings = embedder.embed_tokens(two);
  EXPECT_EQ(embeddings.truncated_count, 1);
  EXPECT_EQ(embeddings.token_counts, (std::vector<int64_t>{10, 20}));
  auto cut = two[1];
  cut.resize(20);
  EXPECT_EQ(copy(embeddings.row(1)), embedder.embed_tokens({cut}).values);
}

TEST_F(EmbedderTest, TheFileChoosesThePooling) {
  const ModelConfig config = testing::tiny_config();
  const auto tokenizer = tiny_.tokenizer;
  const auto chosen = [&](std::optional<int> type) {
    Metadata metadata;
    write_model_config(config, metadata);
    if (type) metadata.set_uint32("llama.pooling_type", static_cast<uint32_t>(*type));
    const auto file = testing::memory_file(std::move(metadata), testing::random_tensors(config));
    const Embedder embedder(*context_, Model::load(*context_, file), tokenizer);
    return std::pair(embedder.pooling(), std::string(embedder.pooling_source()));
  };
  EXPECT_EQ(chosen({}), std::pair(Pooling::kLast, std::string("the default for causal models")));
  EXPECT_EQ(chosen(0), std::pair(Pooling::kLast, std::string("the default for causal models")));
  EXPECT_EQ(chosen(1), std::pair(Pooling::kMean, std::string("the model's file")));
  EXPECT_EQ(chosen(2), std::pair(Pooling::kFirst, std::string("the model's file")));
  EXPECT_EQ(chosen(3), std::pair(Pooling::kLast, std::string("the model's file")));
  EXPECT_THROW(chosen(4), Error);
  EXPECT_THROW(chosen(-1), Error);
}

TEST_F(EmbedderTest, RefusesWhatMakesNoSense) {
  constexpr int64_t kHuge = std::numeric_limits<int64_t>::max();
  constexpr int64_t kTiny = std::numeric_limits<int64_t>::min();
  for (const int64_t bad : {int64_t{-1}, int64_t{65}, kHuge, kTiny}) {
    EXPECT_THROW(make({.dimensions = bad}), Error);
  }
  for (const int64_t bad : {int64_t{-1}, int64_t{129}, kHuge, kTiny}) {
    EXPECT_THROW(make({.tokens_max = bad}), Error);
  }
  for (const int64_t bad : {int64_t{0}, int64_t{17}, kHuge, kTiny}) {
    EXPECT_THROW(make({.packing = {.batch_tokens = bad}}), Error);
  }
  Embedder embedder = make();
  EXPECT_THROW(embedder.embed_tokens({some_tokens(3, 1), {}}), Error);
  EXPECT_THROW(embedder.embed_tokens({{3, -1}}), Error);
  EXPECT_THROW(embedder.embed_tokens({{3, 400}}), Error);
  EXPECT_EQ(embedder.embed_tokens({}).count(), 0);
  const std::vector<std::string> words = {"one text", "and another"};
  EXPECT_EQ(embedder.embed(words).count(), 2);
}

// Beside a scheduler, whose thread then computes.
TEST_F(EmbedderTest, AScheduleStepsBetweenItsPasses) {
  Scheduler scheduler = SchedulerTest::make();
  scheduler.start();
  Job job = scheduler.submit(testing::request_of(some_tokens(30, 1), 60));
  EmbedderOptions options;
  options.packing = {.batch_tokens = 128,
                     .run = [&](std::function<void()> work) { scheduler.run(std::move(work)); }};
  Embedder embedder = make(options);
  const Embeddings embeddings = embedder.embed_tokens(texts());
  EXPECT_EQ(testing::wait_for(job).tokens.size(), 60u);
  scheduler.stop();
  EXPECT_EQ(embeddings.values, make().embed_tokens(texts()).values);
}

}  // namespace
}  // namespace minim
