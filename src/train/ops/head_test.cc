#include "train/ops/head.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "train/ops/distill.h"
#include "train/testing/gradient_check.h"

namespace minim::train {
namespace {

using testing::TestTensor;
using testing::TrainTestContext;

constexpr int64_t kTokens = 7;
constexpr int64_t kDim = 10;
constexpr int64_t kVocabulary = 23;

// A loss of hidden states and a head, against finite differences of its own value.
class HeadTest : public ::testing::Test {
 protected:
  using Loss = std::function<double(Tape&, const Variable&, const Parameter&)>;

  double value(const Loss& loss, bool record, std::vector<float>* hidden_gradient = nullptr) {
    BufferPool pool;
    Tape tape(*context_, pool, {.record = record});
    const Variable hidden = hidden_.variable(tape);
    const double found = loss(tape, hidden, head_.parameter());
    if (record) tape.backward();
    if (hidden_gradient != nullptr) {
      hidden_gradient->assign(hidden.gradient->view().data,
                              hidden.gradient->view().data + kTokens * kDim);
    }
    return found;
  }

  void check_one(const Loss& loss, TestTensor& tensor, const std::vector<float>& gradients) {
    constexpr float kStep = 1e-2f;
    for (int trial = 0; trial < 8; ++trial) {
      std::vector<float> along = minim::testing::random_floats(rng_, tensor.values.size());
      double want = 0;
      double size = 0;
      for (size_t i = 0; i < along.size(); ++i) {
        const double part = double{along[i]} * gradients[i];
        want += part;
        size += part * part;
      }
      const std::vector<float> before = tensor.values;
      const auto at = [&](float step) {
        for (size_t i = 0; i < along.size(); ++i) tensor.values[i] = before[i] + step * along[i];
        return value(loss, false);
      };
      const double found = (at(kStep) - at(-kStep)) / (2 * kStep);
      tensor.values = before;
      EXPECT_NEAR(found, want, 4e-3 * (std::sqrt(size) + std::abs(want)) + 1e-4);
    }
  }

  void check(const Loss& loss) {
    std::fill(head_.gradients.begin(), head_.gradients.end(), 0.0f);
    std::vector<float> hidden_gradient;
    const double recorded = value(loss, true, &hidden_gradient);
    const std::vector<float> head_gradient = head_.gradients;
    EXPECT_NEAR(recorded, value(loss, false), 1e-9);
    for (int64_t t = 0; t < kTokens; ++t) {
      if (weights_[static_cast<size_t>(t)] != 0.0f) continue;
      for (int64_t i = 0; i < kDim; ++i) {
        EXPECT_EQ(hidden_gradient[static_cast<size_t>(t * kDim + i)], 0.0f) << "masked token " << t;
      }
    }
    check_one(loss, hidden_, hidden_gradient);
    check_one(loss, head_, head_gradient);
  }

  TrainTestContext context_{2};
  Rng rng_{minim::testing::test_seed()};
  TestTensor hidden_{rng_, {kTokens, kDim}, 0.8f};
  TestTensor head_{rng_, {kVocabulary, kDim}, 0.5f};
  std::vector<int32_t> targets_ = {1, 22, 0, 5, 5, 9, 13};
  std::vector<float> weights_ = {1.0f, 0.5f, 0.0f, 1.0f, 2.0f, 0.0f, 1.0f};
};

TEST_F(HeadTest, CrossEntropyWithCapAndZLoss) {
  for (const float cap : {0.0f, 2.5f}) {
    for (const float z_loss : {0.0f, 0.05f}) {
      SCOPED_TRACE(fmt::format("cap {}, z {}", cap, z_loss));
      check([&](Tape& tape, const Variable& hidden, const Parameter& head) {
        return cross_entropy(tape, hidden, head, targets_, weights_, {{cap, 1.0f}, z_loss}).loss;
      });
    }
  }
}

TEST_F(HeadTest, CrossEntropyIsWhatItSays) {
  BufferPool pool;
  Tape tape(*context_, pool, {.record = false});
  const HeadLoss loss =
      cross_entropy(tape, hidden_.variable(tape), head_.parameter(), targets_, weights_);
  double want = 0;
  for (size_t t = 0; t < kTokens; ++t) {
    std::vector<double> logits;
    double sum = 0;
    for (size_t v = 0; v < kVocabulary; ++v) {
      double logit = 0;
      for (size_t i = 0; i < kDim; ++i) {
        logit += double{hidden_.values[t * kDim + i]} * head_.values[v * kDim + i];
      }
      logits.push_back(logit);
      sum += std::exp(logit);
    }
    want += weights_[t] * (std::log(sum) - logits[static_cast<size_t>(targets_[t])]);
  }
  EXPECT_NEAR(loss.loss, want, 1e-5);
  EXPECT_EQ(loss.loss, loss.cross_entropy);
  EXPECT_EQ(loss.weight, 5.5);
}

TEST_F(HeadTest, ManyTokensAreCutIntoChunks) {
  constexpr int64_t kMany = 700;
  TestTensor hidden(rng_, {kMany, kDim});
  TestTensor head(rng_, {20000, kDim});
  ASSERT_LT(head_chunk_values(kMany, 20000), kMany * 20000);
  std::vector<int32_t> targets(kMany);
  std::vector<float> weights(kMany);
  for (size_t t = 0; t < kMany; ++t) {
    targets[t] = static_cast<int32_t>(rng_.below(20000));
    weights[t] = t % 3 == 0 ? 0.0f : 1.0f;
  }
  BufferPool pool;
  Tape tape(*context_, pool);
  const Variable all = hidden.variable(tape);
  const HeadLoss together = cross_entropy(tape, all, head.parameter(), targets, weights);
  tape.backward();
  double loss = 0;
  for (size_t t = 0; t < kMany; t += 97) {
    Tape single(*context_, pool);
    const Variable one = single.make(1, kDim);
    std::copy_n(all.view().row(static_cast<int64_t>(t)), kDim, one.view().data);
    const auto at = std::span(targets).subspan(t, 1);
    const auto weight = std::span(weights).subspan(t, 1);
    loss += cross_entropy(single, one, head.parameter(), at, weight).loss;
    single.backward();
    for (int64_t i = 0; i < kDim && weights[t] != 0.0f; ++i) {
      EXPECT_NEAR(one.gradient->view().data[i],
                  all.gradient->view().row(static_cast<int64_t>(t))[i], 1e-6);
    }
  }
  EXPECT_GT(together.loss, loss);
}

TEST_F(HeadTest, EveryDivergenceOfALiveTeacher) {
  TestTensor teacher_hidden(rng_, {kTokens, 6});
  TestTensor teacher_head(rng_, {kVocabulary, 6});
  const ConstMatrixView view{teacher_hidden.values.data(), kTokens, 6, 6};
  const LiveTeacher teacher(view, teacher_head.parameter(), 4.0f);
  for (const Divergence divergence : {Divergence::kForward, Divergence::kReverse,
                                      Divergence::kSkewed, Divergence::kJensenShannon}) {
    for (const int top_k : {0, 3}) {
      SCOPED_TRACE(::testing::Message() << static_cast<int>(divergence) << ", top " << top_k);
      const DistillOptions options{{3.0f, 1.0f}, divergence, 0.3f, 1.7f, 0.4f, 0.01f, top_k};
      check([&](Tape& tape, const Variable& hidden, const Parameter& head) {
        return distill(tape, hidden, head, teacher, targets_, weights_, options).loss;
      });
    }
  }
}

TEST_F(HeadTest, EveryDivergenceOfTheLikeliestChoices) {
  std::vector<int32_t> ids;
  std::vector<float> probabilities;
  for (int32_t t = 0; t < kTokens; ++t) {
    ids.insert(ids.end(), {t, t + 9, (3 * t + 8) % 9 + 14 > 22 ? 22 : 18});
    probabilities.insert(probabilities.end(), {0.5f, 0.25f, 0.125f});
  }
  const TopPredictions teacher{3, ids, probabilities};
  for (const Divergence divergence : {Divergence::kForward, Divergence::kReverse,
                                      Divergence::kSkewed, Divergence::kJensenShannon}) {
    SCOPED_TRACE(static_cast<int>(divergence));
    const DistillOptions options{{0.0f, 1.0f}, divergence, 0.3f, 1.4f, 0.25f, 0.0f};
    check([&](Tape& tape, const Variable& hidden, const Parameter& head) {
      return distill(tape, hidden, head, teacher, targets_, weights_, options).loss;
    });
  }
}

// A student that predicts what its teacher does has nothing to learn from it.
TEST_F(HeadTest, AgreementHasNoDivergence) {
  const ConstMatrixView view{hidden_.values.data(), kTokens, kDim, kDim};
  const LiveTeacher teacher(view, head_.parameter(), 0.0f);
  for (const Divergence divergence : {Divergence::kForward, Divergence::kReverse,
                                      Divergence::kSkewed, Divergence::kJensenShannon}) {
    std::fill(head_.gradients.begin(), head_.gradients.end(), 0.0f);
    const DistillOptions options{{}, divergence, 0.5f, 2.0f, 0.0f, 0.0f};
    std::vector<float> gradient;
    const double loss = value(
        [&](Tape& tape, const Variable& hidden, const Parameter& head) {
          return distill(tape, hidden, head, teacher, targets_, weights_, options).loss;
        },
        true, &gradient);
    EXPECT_NEAR(loss, 0.0, 1e-5);
    for (const float each : gradient) EXPECT_NEAR(each, 0.0f, 1e-5f);
  }
}

TEST_F(HeadTest, HiddenStatesThroughAProjection) {
  TestTensor projection(rng_, {6, kDim});
  TestTensor target(rng_, {kTokens, 6});
  const ConstMatrixView view{target.values.data(), kTokens, 6, 6};
  check([&](Tape& tape, const Variable& hidden, const Parameter&) {
    return match_hidden(tape, hidden, projection.parameter(), view, weights_, 1.0f);
  });
  std::fill(projection.gradients.begin(), projection.gradients.end(), 0.0f);
  const auto loss = [&](Tape& tape, const Variable& hidden, const Parameter&) {
    return 0.5 * match_hidden(tape, hidden, projection.parameter(), view, weights_, 0.5f);
  };
  value(loss, true);
  check_one(loss, projection, projection.gradients);
}

TEST_F(HeadTest, WhatDoesNotFitIsRefused) {
  BufferPool pool;
  Tape tape(*context_, pool);
  const Variable hidden = hidden_.variable(tape);
  const std::vector<int32_t> outside = {1, 23, 0, 5, 5, 9, 13};
  EXPECT_THROW(cross_entropy(tape, hidden, head_.parameter(), outside, weights_), Error);
  const auto few = std::span(targets_).first(3);
  EXPECT_THROW(cross_entropy(tape, hidden, head_.parameter(), few, weights_), Error);
  TestTensor other_head(rng_, {kVocabulary + 1, kDim});
  const ConstMatrixView view{hidden_.values.data(), kTokens, kDim, kDim};
  const LiveTeacher teacher(view, other_head.parameter(), 0.0f);
  EXPECT_THROW(distill(tape, hidden, head_.parameter(), teacher, targets_, weights_, {}), Error);
  const LiveTeacher fits(view, head_.parameter(), 0.0f);
  DistillOptions too_many;
  too_many.top_k = kVocabulary;
  EXPECT_THROW(distill(tape, hidden, head_.parameter(), fits, targets_, weights_, too_many), Error);
}

}  // namespace
}  // namespace minim::train
