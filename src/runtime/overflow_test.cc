#include "runtime/overflow.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

#include "base/error.h"
#include "base/rng.h"
#include "kernels/testing/random_data.h"
#include "model/testing/sequence.h"
#include "model/testing/tiny_model.h"
#include "runtime/session.h"

namespace minim {
namespace {

ContextShift plan(const ShiftOptions& options, int64_t length) {
  return plan_shift(options, {.length = length, .block_tokens = 32});
}

TEST(PlanShift, KeepsTheFirstAndDropsTheOldestInWholeBlocks) {
  const auto expect = [](const ContextShift& shift, int64_t kept, int64_t dropped) {
    EXPECT_EQ(shift.kept, kept);
    EXPECT_EQ(shift.dropped, dropped);
  };
  expect(plan({}, 512), 32, 256);  // half of 15 blocks, rounded
  expect(plan({.sinks = 0}, 512), 0, 256);
  expect(plan({.sinks = 33}, 512), 64, 224);
  expect(plan({.drop_share = 0.01}, 512), 32, 32);
  expect(plan({.drop_share = 1}, 520), 32, 480);
  expect(plan({}, 64), 32, 32);
  expect(plan_shift({}, {.length = 500, .first_slot = 96, .block_tokens = 32}), 0, 96);
}

TEST(PlanShift, WhatMakesNoSenseIsAnError) {
  const auto code = [](const ShiftOptions& options, int64_t length) {
    try {
      plan(options, length);
    } catch (const Error& error) {
      return error.code();
    }
    return ErrorCode::kIo;
  };
  for (const int64_t sinks : {int64_t{-1}, std::numeric_limits<int64_t>::min()}) {
    EXPECT_EQ(code({.sinks = sinks}, 512), ErrorCode::kInvalidArgument);
  }
  for (const double share : {0.0, -1.0, 1.5, std::nan(""), HUGE_VAL}) {
    EXPECT_EQ(code({.drop_share = share}, 512), ErrorCode::kInvalidArgument);
  }
  EXPECT_EQ(code({}, 63), ErrorCode::kLimit);
  EXPECT_EQ(code({.sinks = 512}, 512), ErrorCode::kLimit);
  EXPECT_EQ(code({.sinks = std::numeric_limits<int64_t>::max()}, 512), ErrorCode::kLimit);
  EXPECT_EQ(code({}, 0), ErrorCode::kLimit);
}

class ShiftTest : public ::testing::TestWithParam<const char*> {
 protected:
  std::shared_ptr<const Model> model(int layers) {
    ModelConfig config = testing::tiny_config(GetParam());
    config.layer_count = layers;
    config.context_length = 300;
    config.rope.original_context_length = 300;
    if (config.learned_positions > 0) config.learned_positions = 300;
    config.sliding_window = 0;
    if (config.architecture == "gemma3") {
      config.sliding_window = layers == 1 ? 250 : 24;  // a single layer would forget
      config.global_interval = 2;
    }
    return Model::load(*context_, testing::tiny_file(config));
  }

  std::vector<TokenId> random_tokens(size_t count) {
    std::vector<TokenId> tokens(count);
    for (TokenId& token : tokens) token = static_cast<TokenId>(rng_.below(48));
    return tokens;
  }

  static std::vector<TokenId> without(const std::vector<TokenId>& text, const ContextShift& shift) {
    std::vector<TokenId> rest = text;
    rest.erase(rest.begin() + shift.kept, rest.begin() + shift.kept + shift.dropped);
    return rest;
  }

  testing::ModelTestContext context_;
  Rng rng_{testing::test_seed()};
};

INSTANTIATE_TEST_SUITE_P(Architectures, ShiftTest,
                         ::testing::Values("llama", "qwen2", "qwen3", "gemma3", "phi3", "gpt2"),
                         [](const auto& tested) { return std::string(tested.param); });

// With a single layer, keys and values know nothing of other tokens: turned keys are those of a
// session that never saw what was dropped.
TEST_P(ShiftTest, OfOneLayerWhatStaysIsAsIfTheRestHadNeverBeen) {
  const auto model = this->model(1);
  for (const auto& [type, error_max] : {std::pair(DataType::kF32, 2e-5),
                                        {DataType::kF16, 5e-3},
                                        {DataType::kQ8_0, 8e-2},
                                        {DataType::kQ4_0, 1.0}}) {
    SCOPED_TRACE(data_type_info(type).name);
    Session session(*context_, model, {.kv_type = type});
    const auto text = random_tokens(290);
    session.append(text);
    const ContextShift shift = session.shift();
    EXPECT_EQ(shift.kept, 32);
    EXPECT_EQ(shift.dropped, 128);
    const auto rest = without(text, shift);
    EXPECT_EQ(std::vector<TokenId>(session.tokens().begin(), session.tokens().end()), rest);
    Session fresh(*context_, model, {.kv_type = type});
    fresh.append(rest);
    double error = 0;
    for (const TokenId token : random_tokens(30)) {
      const auto a = session.append({&token, 1});
      const auto b = fresh.append({&token, 1});
      for (size_t i = 0; i < a.size(); ++i) error = std::max(error, std::fabs(double{a[i]} - b[i]));
    }
    EXPECT_LT(error, error_max);
  }
}

// Reading again is having read nothing else, bit for bit.
TEST_P(ShiftTest, ReadingAgainForgetsWhatIsGone) {
  const auto model = this->model(2);
  Session session(*context_, model, {.batch_tokens = 64});
  const auto text = random_tokens(290);
  session.append(text);
  const ContextShift shift = session.shift({.drop_share = 0.3, .reread = true});
  EXPECT_EQ(shift.dropped, 64);
  Session fresh(*context_, model, {.batch_tokens = 100});
  const auto expected = fresh.append(without(text, shift));
  const auto logits = session.logits();
  EXPECT_EQ(std::vector<float>(logits.begin(), logits.end()),
            std::vector<float>(expected.begin(), expected.end()));
}

TEST_P(ShiftTest, ATextCanGoOnAndOn) {
  const auto model = this->model(2);
  for (const DataType type : {DataType::kF16, DataType::kQ8_0}) {
    Session session(*context_, model, {.context_tokens = 130, .batch_tokens = 64, .kv_type = type});
    const size_t block_bytes = model->kv_layout(type).block_bytes();
    for (int i = 0; i < 600; ++i) {
      if (session.length() == session.context_tokens()) session.shift();
      for (const float logit : session.append(random_tokens(1))) ASSERT_TRUE(std::isfinite(logit));
      ASSERT_LE(session.cache_bytes(), 5 * block_bytes);
    }
  }
}

class ShiftTestOfLlama : public ShiftTest {};
INSTANTIATE_TEST_SUITE_P(Llama, ShiftTestOfLlama, ::testing::Values("llama"));

TEST_P(ShiftTestOfLlama, SharedBlocksStayAsTheyAre) {
  const auto model = this->model(2);
  const auto pool = std::make_shared<KvPool>(model->kv_layout());
  const auto prefixes = std::make_shared<PrefixCache>(model, pool);
  const auto text = random_tokens(290);
  Session session(*context_, model, {.prefixes = prefixes});
  session.append(text);
  const auto before = session.save();
  Session clone = session.clone();
  session.shift();
  session.append(random_tokens(100));
  EXPECT_EQ(clone.save(), before);
  // What was computed after a shift is no beginning of any text.
  EXPECT_EQ(prefixes->statistics().blocks, 290 / 32);
  // Started over, the session shares again.
  session.rewind(0);
  session.append(random_tokens(64));
  EXPECT_EQ(prefixes->statistics().blocks, 290 / 32 + 2);
}

TEST_P(ShiftTestOfLlama, AShiftThatFindsNoBlocksChangesNothing) {
  const auto model = this->model(2);
  const auto pool =
      std::make_shared<KvPool>(model->kv_layout(), 11 * model->kv_layout().block_bytes());
  Session session(*context_, model, {.pool = pool});
  session.append(random_tokens(290));
  const Session clone = session.clone();
  const auto before = session.save();
  EXPECT_THROW(session.shift(), Error);
  EXPECT_EQ(session.save(), before);
}

TEST_P(ShiftTestOfLlama, ShiftedSessionsAreSavedToo) {
  const auto model = this->model(2);
  Session session(*context_, model);
  session.append(random_tokens(290));
  session.shift();
  Session restored(*context_, model);
  restored.restore(session.save());
  const auto more = random_tokens(50);
  const auto a = session.append(more);
  const auto b = restored.append(more);
  EXPECT_EQ(std::vector<float>(a.begin(), a.end()), std::vector<float>(b.begin(), b.end()));
}

}  // namespace
}  // namespace minim
