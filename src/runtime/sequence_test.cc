// Sessions that share blocks: prefixes, clones, windows. Equal here means the same bits.
#include "runtime/sequence.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "base/error.h"
#include "base/rng.h"
#include "kernels/testing/random_data.h"
#include "model/testing/sequence.h"
#include "model/testing/tiny_file.h"
#include "model/testing/tiny_model.h"
#include "runtime/session.h"
#include "tests/support/test_data.h"

namespace minim {
namespace {

constexpr DataType kCacheTypes[] = {DataType::kF32, DataType::kF16, DataType::kQ8_0,
                                    DataType::kQ4_0};

TEST(PromptStep, LeavesNothingOrEnough) {
  for (int64_t most = 2 * kPromptTokensMin; most < 50; ++most) {
    for (int64_t count = 1; count < 200; ++count) {
      for (int64_t left = count; left > 0;) {
        const int64_t step = prompt_step(left, most);
        ASSERT_LE(step, most);
        ASSERT_GE(step, std::min(count, kPromptTokensMin)) << left << " of " << count;
        left -= step;
      }
    }
  }
  EXPECT_EQ(prompt_step(10, 1), 1);
  EXPECT_EQ(prompt_step(10, 9), 1);
}

class SharingTest : public ::testing::Test {
 protected:
  std::vector<TokenId> random_tokens(size_t count) {
    std::vector<TokenId> tokens(count);
    for (TokenId& token : tokens) token = static_cast<TokenId>(rng_.below(48));
    return tokens;
  }

  std::shared_ptr<const Model> open(const ModelConfig& config, DataType type) {
    const Path path = folder_.path() / (config.architecture + data_type_info(type).name);
    write_random_model(*context_, config, path, {.type = type, .seed = 3});
    return Model::load(*context_, open_model_file(path));
  }

  std::shared_ptr<const Model> model(DataType type = DataType::kF32) {
    ModelConfig config = testing::tiny_file_config();
    config.context_length = config.rope.original_context_length = 2000;
    return open(config, type);
  }

  // Every layer sees 70 tokens.
  std::shared_ptr<const Model> windowed_model() {
    ModelConfig config = testing::tiny_file_config();
    config.context_length = config.rope.original_context_length = 2000;
    config.sliding_window = 70;
    return open(config, DataType::kF32);
  }

  // The logits of a text and of some tokens that follow one by one.
  std::vector<float> read(Session& session, std::span<const TokenId> text,
                          std::span<const TokenId> following) {
    std::vector<float> logits;
    const auto add = [&](std::span<const float> row) {
      logits.insert(logits.end(), row.begin(), row.end());
    };
    add(session.append(text));
    for (const TokenId token : following) add(session.append({&token, 1}));
    return logits;
  }

  testing::TemporaryFolder folder_;
  testing::ModelTestContext context_;
  Rng rng_{testing::test_seed()};
};

TEST_F(SharingTest, WhatAPrefixCacheKnowsEqualsComputingIt) {
  for (const DataType weights : {DataType::kF32, DataType::kF16, DataType::kQ8_0}) {
    const auto model = this->model(weights);
    for (const DataType type : kCacheTypes) {
      SCOPED_TRACE(std::string(data_type_info(weights).name) + " " + data_type_info(type).name);
      const auto pool = std::make_shared<KvPool>(model->kv_layout(type));
      const auto prefixes =
          std::make_shared<PrefixCache>(model, pool, PrefixCacheOptions{.keep_generated = false});
      const auto text = random_tokens(1500);
      int64_t known = 0;
      for (const size_t length : {300, 700, 41, 320, 329, 1500, 1499, 1312}) {
        SCOPED_TRACE(length);
        const auto prompt = std::span(text).first(length);
        const auto following = random_tokens(5);
        Session sharing(*context_, model,
                        {.batch_tokens = static_cast<int64_t>(20 + rng_.below(300)),
                         .kv_type = type,
                         .prefixes = prefixes});
        Session alone(
            *context_, model,
            {.batch_tokens = static_cast<int64_t>(20 + rng_.below(300)), .kv_type = type});
        EXPECT_EQ(read(sharing, prompt, following), read(alone, prompt, following));
        const auto most = static_cast<int64_t>(length) - kPromptTokensMin;
        EXPECT_EQ(sharing.reused_tokens(), 0);  // of the last append()
        sharing.rewind(0);
        sharing.append(prompt);
        known = std::max(known, static_cast<int64_t>(length) / 32 * 32);
        EXPECT_EQ(sharing.reused_tokens(), std::min(known, most / 32 * 32));
      }
      EXPECT_EQ(pool->blocks_used(), prefixes->statistics().blocks);
    }
  }
}

TEST_F(SharingTest, WindowsDoNotChangeThat) {
  ModelConfig gemma = testing::tiny_config("gemma3");
  gemma.context_length = gemma.rope.original_context_length = 1000;
  gemma.vocabulary_size = 400;
  gemma.sliding_window = 50;
  gemma.global_interval = 2;
  const std::shared_ptr<const Model> models[] = {windowed_model(),
                                                 Model::load(*context_, testing::tiny_file(gemma))};
  for (const auto& model : models) {
    const auto pool = std::make_shared<KvPool>(model->kv_layout());
    const auto prefixes = std::make_shared<PrefixCache>(model, pool);
    const auto text = random_tokens(900);
    for (const size_t length : {500, 501, 900, 100}) {
      const auto prompt = std::span(text).first(length);
      const auto following = random_tokens(5);
      Session sharing(*context_, model, {.batch_tokens = 200, .prefixes = prefixes});
      Session alone(*context_, model, {.batch_tokens = 300});
      EXPECT_EQ(read(sharing, prompt, following), read(alone, prompt, following));
    }
    EXPECT_EQ(prefixes->statistics().hits, 3);
  }
}

// However few of a batch's tokens an expert gets, they are computed as the many of a prompt.
TEST_F(SharingTest, MixturesOfExpertsDoNotChangeThat) {
  ModelConfig config = testing::tiny_config("qwen3moe");
  config.context_length = config.rope.original_context_length = 1000;
  config.vocabulary_size = 400;
  for (const DataType weights : {DataType::kF32, DataType::kF16, DataType::kQ8_0}) {
    SCOPED_TRACE(data_type_info(weights).name);
    const auto model = open(config, weights);
    const auto pool = std::make_shared<KvPool>(model->kv_layout());
    const auto prefixes =
        std::make_shared<PrefixCache>(model, pool, PrefixCacheOptions{.keep_generated = false});
    const auto text = random_tokens(300);
    for (const size_t length : {100, 101, 300, 41}) {
      const auto prompt = std::span(text).first(length);
      const auto following = random_tokens(5);
      Session sharing(*context_, model, {.batch_tokens = 19, .prefixes = prefixes});
      Session alone(*context_, model, {.batch_tokens = 300});
      EXPECT_EQ(read(sharing, prompt, following), read(alone, prompt, following));
    }
  }
}

TEST_F(SharingTest, KnowsHowManyBlocksItMayTake) {
  const auto model = this->model();
  const auto pool = std::make_shared<KvPool>(model->kv_layout());
  const SessionOptions options = {.pool = pool};
  Sequence sequence(model, options);
  EXPECT_EQ(sequence.blocks_to_take(0, 100, false), 0);
  EXPECT_EQ(sequence.blocks_to_take(1, 100, false), 1);
  EXPECT_EQ(sequence.blocks_to_take(33, 100, false), 2);
  sequence.extend(0, 40);
  sequence.commit(random_tokens(40));
  EXPECT_EQ(sequence.blocks_to_take(64, 100, false), 0);
  EXPECT_EQ(sequence.blocks_to_take(65, 100, false), 1);
  {
    // The second block is half full, and written to next.
    const Sequence copy = sequence;
    EXPECT_EQ(sequence.blocks_to_take(64, 100, false), 1);
    EXPECT_EQ(sequence.blocks_to_take(64, 100, true), 2) << "any of them may be";
  }
  EXPECT_EQ(sequence.blocks_to_take(64, 100, true), 0);
  EXPECT_EQ(sequence.blocks_to_take(2000, 100, false), 63 - 2);
  // A windowed one holds what its window reaches, and what one step adds.
  const auto windowed = windowed_model();
  Sequence narrow(windowed, {});
  const int64_t most = narrow.blocks_most(2000, 60);
  EXPECT_LT(most, 14);
  int64_t seen = 0;
  for (int64_t length = 0; length + 60 <= 2000; length += 60) {
    narrow.extend(0, 60);
    seen = std::max(seen, narrow.cache().pool()->blocks_used());
    narrow.commit(random_tokens(60));
    ASSERT_LE(narrow.cache().pool()->blocks_used() + narrow.blocks_to_take(2000, 60, false), most);
  }
  EXPECT_LE(seen, most);
  EXPECT_GT(seen, most - 6);
}

TEST_F(SharingTest, TheNextTurnFindsTheAnswer) {
  const auto model = this->model();
  const auto pool = std::make_shared<KvPool>(model->kv_layout());
  for (const bool keep_generated : {true, false}) {
    const auto prefixes = std::make_shared<PrefixCache>(
        model, pool, PrefixCacheOptions{.keep_generated = keep_generated});
    auto text = random_tokens(50);
    const auto answer = random_tokens(60);
    {
      Session session(*context_, model, {.prefixes = prefixes});
      read(session, text, answer);
    }
    text.insert(text.end(), answer.begin(), answer.end());
    const auto question = random_tokens(20);
    text.insert(text.end(), question.begin(), question.end());
    Session next(*context_, model, {.prefixes = prefixes});
    next.append(text);
    EXPECT_EQ(next.reused_tokens(), keep_generated ? 96 : 32);
  }
}

TEST_F(SharingTest, LogitsOfTokensThatAreKnownAreComputed) {
  const auto model = this->model();
  const auto pool = std::make_shared<KvPool>(model->kv_layout());
  const auto prefixes = std::make_shared<PrefixCache>(model, pool);
  const auto text = random_tokens(200);
  for (const int64_t first_output : {0, 70, 199}) {
    Session session(*context_, model, {.prefixes = prefixes});
    session.append(text);
    session.rewind(0);
    int64_t rows = 0;
    session.append(text, first_output, [&](int64_t first, MatrixView panel) {
      EXPECT_EQ(first, first_output + rows);
      rows += panel.rows;
    });
    EXPECT_EQ(rows, 200 - first_output);
    EXPECT_EQ(session.reused_tokens(), std::min<int64_t>(first_output, 191) / 32 * 32);
  }
}

TEST_F(SharingTest, ClonesGoTheirOwnWays) {
  const auto model = this->model();
  for (const DataType type : kCacheTypes) {
    SCOPED_TRACE(data_type_info(type).name);
    const auto pool = std::make_shared<KvPool>(model->kv_layout(type));
    const SessionOptions options = {.kv_type = type, .pool = pool};
    const auto text = random_tokens(100);
    Session session(*context_, model, options);
    const auto first = session.append(text);
    const std::vector<float> after_text(first.begin(), first.end());
    EXPECT_EQ(pool->blocks_used(), 4);
    Session clone = session.clone();
    EXPECT_EQ(pool->blocks_used(), 4);
    const auto cloned = clone.logits();
    EXPECT_EQ(std::vector<float>(cloned.begin(), cloned.end()), after_text);
    const auto one = random_tokens(30), two = random_tokens(30), few = random_tokens(3);
    const auto of_clone = read(clone, two, few);
    EXPECT_EQ(pool->blocks_used(), 4 + 2);  // the fourth is copied, a fifth comes
    const auto of_session = read(session, one, few);
    for (const auto& [continuation, logits] : {std::pair(one, of_session), {two, of_clone}}) {
      Session fresh(*context_, model, options);
      fresh.append(text);
      EXPECT_EQ(read(fresh, continuation, few), logits);
    }
    // And back to before where they parted.
    clone.rewind(40);
    EXPECT_TRUE(clone.logits().empty());
    clone.append(std::span(text).subspan(40));
    EXPECT_EQ(read(clone, one, few), of_session);
  }
}

TEST_F(SharingTest, WhatNoLayerSeesIsForgotten) {
  const auto model = windowed_model();
  const auto pool = std::make_shared<KvPool>(model->kv_layout());
  Session session(*context_, model, {.batch_tokens = 100, .pool = pool});
  const auto text = random_tokens(1000);
  session.append(text);
  // 70 tokens that are seen, up to 63 before them in the same step of attention, 64 to go back.
  EXPECT_LE(pool->blocks_used(), (70 + 63 + 64 + 31) / 32 + 1);
  EXPECT_EQ(static_cast<int64_t>(session.cache_bytes()),
            pool->blocks_used() * static_cast<int64_t>(pool->layout().block_bytes()));
  // What it says is what the whole cache would.
  testing::TestSequence whole(*model, 1100, 32, DataType::kF16);
  const auto expected = testing::forward_all(*context_, *model, whole, text);
  const auto logits = session.logits();
  for (size_t i = 0; i < logits.size(); ++i) {
    ASSERT_NEAR(logits[i], expected[expected.size() - logits.size() + i], 1e-5);
  }
  // Back a little, and to the beginning, but not between.
  const std::vector<float> before(logits.begin(), logits.end());
  session.append(random_tokens(20));
  session.rewind(960);
  session.append(std::span(text).subspan(960));
  EXPECT_EQ(std::vector<float>(session.logits().begin(), session.logits().end()), before);
  EXPECT_THROW(session.rewind(500), Error);
  EXPECT_EQ(session.length(), 1000);
  session.rewind(0);
  EXPECT_EQ(pool->blocks_used(), 0);
}

TEST_F(SharingTest, AFailureThatCannotGoBackLeavesNothing) {
  const auto model = windowed_model();
  Session session(*context_, model, {.batch_tokens = 100});
  session.append(random_tokens(30));
  EXPECT_THROW(session.append(random_tokens(500),
                              [](const Progress& progress) { return progress.done < 300; }),
               Error);
  EXPECT_EQ(session.length(), 0);
}

TEST_F(SharingTest, AFullPoolIsAnErrorAndNothingIsAppended) {
  const auto model = this->model();
  const KvLayout layout = model->kv_layout();
  const auto pool = std::make_shared<KvPool>(layout, 5 * layout.block_bytes());
  Session session(*context_, model, {.batch_tokens = 32, .pool = pool});
  session.append(random_tokens(40));
  Session clone = session.clone();
  try {
    clone.append(random_tokens(120));
    FAIL() << "more blocks than there are";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kLimit);
  }
  EXPECT_EQ(clone.length(), 40);
  EXPECT_NO_THROW(clone.append(random_tokens(20)));
}

TEST_F(SharingTest, RefusesWhatBelongsToOthers) {
  const auto model = this->model();
  const auto other = this->model();
  const auto pool = std::make_shared<KvPool>(model->kv_layout());
  const auto prefixes = std::make_shared<PrefixCache>(model, pool);
  const auto make = [&](const SessionOptions& options) { Session(*context_, model, options); };
  EXPECT_NO_THROW(make({.pool = pool, .prefixes = prefixes}));
  EXPECT_THROW(make({.kv_type = DataType::kQ8_0, .pool = pool}), Error);
  EXPECT_THROW(make({.pool = std::make_shared<KvPool>(model->kv_layout()), .prefixes = prefixes}),
               Error);
  EXPECT_THROW(Session(*context_, other, {.prefixes = prefixes}), Error);
  KvLayout wide = model->kv_layout();
  wide.head_dim *= 2;
  EXPECT_THROW(make({.pool = std::make_shared<KvPool>(wide)}), Error);
}

}  // namespace
}  // namespace minim
