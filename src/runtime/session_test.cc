#include "runtime/session.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <utility>

#include "base/error.h"
#include "model/testing/sequence.h"
#include "model/testing/tiny_file.h"
#include "runtime/generator.h"
#include "tests/support/test_data.h"

namespace minim {
namespace {

class SessionTest : public ::testing::Test {
 protected:
  std::vector<TokenId> tokens(int count) const {
    std::vector<TokenId> ids = {1};
    for (int i = 1; i < count; ++i) ids.push_back(3 + (i * 37) % 390);
    return ids;
  }

  // All logits, row after row, in panels as the session hands them over.
  std::vector<float> all_logits(Session& session, std::span<const TokenId> ids) const {
    std::vector<float> logits;
    int64_t next = 0;
    session.append(ids, 0, [&](int64_t first, MatrixView panel) {
      EXPECT_EQ(first, next);
      next += panel.rows;
      for (int64_t i = 0; i < panel.rows; ++i) {
        logits.insert(logits.end(), panel.row(i), panel.row(i) + panel.cols);
      }
    });
    EXPECT_EQ(next, static_cast<int64_t>(ids.size()));
    return logits;
  }

  std::vector<float> copy(std::span<const float> logits) const {
    return {logits.begin(), logits.end()};
  }

  void expect_near(const std::vector<float>& a, const std::vector<float>& b) const {
    ASSERT_EQ(a.size(), b.size());
    for (size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], 1e-5) << i;
  }

  testing::TemporaryFolder folder_;
  testing::ModelTestContext context_;
  testing::TinyModel tiny_ = testing::make_tiny_model(*context_, folder_.path() / "tiny.gguf");
  SessionOptions exact_ = {.kv_type = DataType::kF32};
};

TEST_F(SessionTest, HoweverAPromptIsCutTheLogitsAreTheSame) {
  const auto ids = tokens(70);
  Session whole(*context_, tiny_.model, exact_);
  const auto expected = all_logits(whole, ids);
  for (const int64_t batch_tokens : {1, 3, 64, 69, 70, 1000}) {
    SessionOptions options = exact_;
    options.batch_tokens = batch_tokens;
    Session session(*context_, tiny_.model, options);
    expect_near(all_logits(session, ids), expected);
  }
  Session stepped(*context_, tiny_.model, exact_);
  std::vector<float> logits;
  for (const TokenId id : ids) {
    const auto row = stepped.append({&id, 1});
    logits.insert(logits.end(), row.begin(), row.end());
  }
  expect_near(logits, expected);
}

TEST_F(SessionTest, OnlyTheLogitsAskedForAreHandedOver) {
  const auto ids = tokens(20);
  for (const int64_t first_output : {0, 1, 7, 19}) {
    SessionOptions options = exact_;
    options.batch_tokens = 6;
    Session session(*context_, tiny_.model, options);
    std::vector<int64_t> seen;
    session.append(ids, first_output, [&](int64_t first, MatrixView panel) {
      for (int64_t i = 0; i < panel.rows; ++i) seen.push_back(first + i);
    });
    ASSERT_EQ(static_cast<int64_t>(seen.size()), 20 - first_output);
    for (size_t i = 0; i < seen.size(); ++i) {
      EXPECT_EQ(seen[i], first_output + static_cast<int64_t>(i));
    }
  }
}

TEST_F(SessionTest, RewindForgets) {
  const auto ids = tokens(40);
  const auto other = std::vector<TokenId>{9, 8, 7, 6};
  Session fresh(*context_, tiny_.model, exact_);
  fresh.append(std::span(ids).first(33));
  const auto expected = copy(fresh.append(other));
  Session rewound(*context_, tiny_.model, exact_);
  rewound.append(ids);
  rewound.rewind(33);
  EXPECT_EQ(rewound.length(), 33);
  expect_near(copy(rewound.append(other)), expected);
  rewound.rewind(0);
  EXPECT_EQ(rewound.cache_bytes(), 0u);
}

TEST_F(SessionTest, WhatDoesNotFitIsRefusedAndNothingIsAppended) {
  SessionOptions options = exact_;
  options.context_tokens = 10;
  Session session(*context_, tiny_.model, options);
  session.append(tokens(8));
  try {
    session.append(tokens(3));
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kLimit);
  }
  EXPECT_EQ(session.length(), 8);
  EXPECT_NO_THROW(session.append(tokens(2)));
  EXPECT_THROW(session.append({}), Error);
}

TEST_F(SessionTest, ABadTokenLeavesTheSessionAsItWas) {
  const auto ids = tokens(12);
  Session fresh(*context_, tiny_.model, exact_);
  fresh.append(std::span(ids).first(5));
  const auto expected = copy(fresh.append({&ids[5], 1}));
  SessionOptions options = exact_;
  options.batch_tokens = 2;
  Session session(*context_, tiny_.model, options);
  session.append(std::span(ids).first(5));
  for (const TokenId bad : {-1, 400, std::numeric_limits<TokenId>::max()}) {
    const std::vector<TokenId> with_bad = {3, 4, 5, bad};
    EXPECT_THROW(session.append(with_bad), Error);
    EXPECT_EQ(session.length(), 5);
  }
  expect_near(copy(session.append({&ids[5], 1})), expected);
}

TEST_F(SessionTest, ReadingAPromptCanBeStopped) {
  SessionOptions options = exact_;
  options.batch_tokens = 4;
  Session session(*context_, tiny_.model, options);
  int calls = 0;
  try {
    session.append(tokens(40), [&](const Progress&) { return ++calls < 3; });
    FAIL() << "went on";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kCancelled);
  }
  EXPECT_EQ(calls, 3);
  EXPECT_EQ(session.length(), 0);
}

// Rounded caches change the predictions, but little; head sizes that fill no block of 32 too.
TEST_F(SessionTest, CoarserCachesPredictNearlyTheSame) {
  const auto ids = tokens(60);
  Session exact(*context_, tiny_.model, exact_);
  const auto expected = all_logits(exact, ids);
  double deviation = 0;
  for (const float logit : expected) deviation += double{logit} * double{logit};
  deviation = std::sqrt(deviation / static_cast<double>(expected.size()));
  double smaller = 0;
  for (const auto& [type, share] :
       {std::pair(DataType::kF16, 0.001), {DataType::kQ8_0, 0.02}, {DataType::kQ4_0, 0.3}}) {
    SCOPED_TRACE(data_type_info(type).name);
    Session session(*context_, tiny_.model, {.kv_type = type});
    const auto logits = all_logits(session, ids);
    double difference = 0;
    for (size_t i = 0; i < logits.size(); ++i) {
      difference += std::pow(double{logits[i]} - double{expected[i]}, 2);
    }
    difference = std::sqrt(difference / static_cast<double>(logits.size()));
    EXPECT_LT(difference, share * deviation);
    EXPECT_GT(difference, smaller) << "coarser, and yet nearer";
    smaller = difference;
    // A session that is wound back computes the same again.
    session.rewind(20);
    const auto again = all_logits(session, std::span(ids).subspan(20));
    const auto width = static_cast<size_t>(tiny_.model->config().vocabulary_size);
    for (size_t i = 0; i < again.size(); ++i) {
      ASSERT_NEAR(again[i], logits[20 * width + i], 0.1 * share * deviation) << i;
    }
  }
}

TEST_F(SessionTest, RefusesOptionsThatMakeNoSense) {
  const auto make = [&](SessionOptions options) { Session(*context_, tiny_.model, options); };
  EXPECT_THROW(make({.context_tokens = -1}), Error);
  EXPECT_THROW(make({.context_tokens = 129}), Error);
  EXPECT_THROW(make({.batch_tokens = 0}), Error);
  EXPECT_THROW(make({.kv_type = DataType::kQ4_1}), Error);
}

GeneratorOptions greedy(int64_t tokens_max) {
  return {.sampler = {.temperature = 0, .ignore_end = true}, .tokens_max = tokens_max};
}

TEST_F(SessionTest, GenerationStopsAtItsLimits) {
  Session session(*context_, tiny_.model, exact_);
  Generator limited(session, tiny_.tokenizer, greedy(5));
  limited.start(tokens(10));
  int count = 0;
  while (limited.next()) ++count;
  EXPECT_EQ(count, 5);
  EXPECT_EQ(limited.stop_reason(), StopReason::kTokensMax);
  EXPECT_EQ(limited.statistics().generated_tokens, 5);

  session.rewind(0);
  Generator endless(session, tiny_.tokenizer, greedy(-1));
  endless.start(tokens(120));
  count = 0;
  while (endless.next()) ++count;
  // The token after the last one that fits is still known.
  EXPECT_EQ(count, 9);
  EXPECT_EQ(endless.stop_reason(), StopReason::kContextFull);
  EXPECT_FALSE(endless.next());
}

TEST_F(SessionTest, GenerationEndsWithTheText) {
  // A vocabulary whose end-of-text token is what the model says first.
  Session session(*context_, tiny_.model, exact_);
  const TokenId said = most_probable(session.append(tokens(10)));
  session.rewind(0);
  Vocabulary vocabulary = tiny_.tokenizer->vocabulary();
  vocabulary.eos = said;
  const auto tokenizer = Tokenizer::make(vocabulary);
  GeneratorOptions options = greedy(5);
  options.sampler.ignore_end = false;
  Generator generator(session, tokenizer, options);
  generator.start(tokens(10));
  EXPECT_FALSE(generator.next());
  EXPECT_EQ(generator.stop_reason(), StopReason::kEndOfText);
}

TEST_F(SessionTest, ASeedGivesTheSameTextAtAnyThreadCount) {
  std::vector<std::vector<TokenId>> texts;
  for (const int threads : {1, 2, 3}) {
    const testing::ModelTestContext context(threads);
    Session session(*context, tiny_.model, {});
    Generator generator(
        session, tiny_.tokenizer,
        {.sampler = {.temperature = 1, .ignore_end = true, .seed = 5}, .tokens_max = 40});
    generator.start(tokens(30));
    texts.emplace_back();
    while (const auto token = generator.next()) texts.back().push_back(*token);
  }
  EXPECT_EQ(texts[0].size(), 40u);
  EXPECT_EQ(texts[0], texts[1]);
  EXPECT_EQ(texts[0], texts[2]);
}

}  // namespace
}  // namespace minim
