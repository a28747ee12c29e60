// Every operation against finite differences.
#include "train/ops/ops.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "train/testing/gradient_check.h"

namespace minim::train {
namespace {

using testing::GradientCheck;
using testing::Shape;
using testing::TestTensor;
using testing::TrainTestContext;

class OpsTest : public ::testing::Test {
 protected:
  TrainTestContext context_{3};
  Rng rng_{minim::testing::test_seed()};
};

TEST_F(OpsTest, Embed) {
  TestTensor table(rng_, {7, 70});
  const std::vector<int32_t> ids = {3, 0, 6, 3, 3, 1};
  GradientCheck(*context_, {}, {&table}, [&](Tape& tape, std::vector<Variable>&) {
    return embed(tape, table.parameter(), ids, 1.5f);
  }).run();
  BufferPool pool;
  Tape tape(*context_, pool);
  const std::vector<int32_t> outside = {7};
  EXPECT_THROW(embed(tape, table.parameter(), outside, 1.0f), Error);
}

TEST_F(OpsTest, Linear) {
  TestTensor x(rng_, {9, 20});
  TestTensor weight(rng_, {13, 20});
  TestTensor bias(rng_, {1, 13});
  GradientCheck(*context_, {&x}, {&weight, &bias}, [&](Tape& tape, std::vector<Variable>& in) {
    const Parameter b = bias.parameter();
    return linear(tape, in[0], weight.parameter(), &b);
  }).run();
}

TEST_F(OpsTest, FrozenParametersStayAsTheyAre) {
  TestTensor x(rng_, {4, 6});
  TestTensor weight(rng_, {5, 6});
  Parameter frozen = weight.parameter();
  frozen.gradients = nullptr;
  frozen.trains = false;
  GradientCheck(*context_, {&x}, {}, [&](Tape& tape, std::vector<Variable>& in) {
    return linear(tape, in[0], frozen);
  }).run();
}

TEST_F(OpsTest, SliceColumns) {
  TestTensor x(rng_, {5, 12});
  GradientCheck(*context_, {&x}, {}, [&](Tape& tape, std::vector<Variable>& in) {
    const Variable first = slice_columns(tape, in[0], 0, 5);
    const Variable second = slice_columns(tape, in[0], 7, 5);
    return gated_activate(tape, Activation::kSilu, first, second);
  }).run();
}

TEST_F(OpsTest, Norms) {
  for (const int64_t rows : {3, 130}) {
    TestTensor x(rng_, {rows, 27});
    TestTensor weight(rng_, {1, 27}, 0.3f, 1.0f);
    TestTensor bias(rng_, {1, 27});
    GradientCheck(*context_, {&x}, {&weight}, [&](Tape& tape, std::vector<Variable>& in) {
      return rms_norm(tape, in[0], weight.parameter(), 1e-5f);
    }).run();
    GradientCheck(*context_, {&x}, {&weight, &bias}, [&](Tape& tape, std::vector<Variable>& in) {
      return layer_norm(tape, in[0], weight.parameter(), bias.parameter(), 1e-5f);
    }).run();
    TestTensor head_weight(rng_, {1, 9}, 0.3f, 1.0f);
    GradientCheck(*context_, {&x}, {&head_weight}, [&](Tape& tape, std::vector<Variable>& in) {
      return rms_norm_heads(tape, in[0], head_weight.parameter(), 1e-5f);
    }).run();
  }
}

TEST_F(OpsTest, RopeOfBothPairings) {
  TestTensor x(rng_, {6, 24});
  const std::vector<float> frequencies = {1.0f, 0.3f, 0.05f};
  const std::vector<int32_t> positions = {0, 1, 2, 3, 0, 17};
  for (const RopePairing pairing : {RopePairing::kAdjacent, RopePairing::kHalves}) {
    const RopeTable table{frequencies, 1.2f, pairing};
    GradientCheck(*context_, {&x}, {}, [&](Tape& tape, std::vector<Variable>& in) {
      // Something before it whose way back does not need the value.
      return rope(tape, slice_columns(tape, in[0], 0, 24), table, positions, 8);
    }).run();
  }
}

TEST_F(OpsTest, Activations) {
  TestTensor x(rng_, {4, 37});
  TestTensor up(rng_, {4, 37});
  for (const Activation activation :
       {Activation::kSilu, Activation::kGeluTanh, Activation::kGeluErf, Activation::kReluSquared}) {
    SCOPED_TRACE(static_cast<int>(activation));
    GradientCheck(*context_, {&x}, {}, [&](Tape& tape, std::vector<Variable>& in) {
      return activate(tape, activation, in[0]);
    }).run();
    GradientCheck(*context_, {&x, &up}, {}, [&](Tape& tape, std::vector<Variable>& in) {
      return gated_activate(tape, activation, in[0], in[1]);
    }).run();
  }
}

TEST_F(OpsTest, SoftCapAndAdd) {
  TestTensor x(rng_, {4, 19});
  TestTensor y(rng_, {4, 19});
  GradientCheck(*context_, {&x, &y}, {}, [&](Tape& tape, std::vector<Variable>& in) {
    return add(tape, soft_cap(tape, in[0], 1.5f), add(tape, in[1], in[0]));
  }).run();
}

TEST_F(OpsTest, DropoutKeepsTheMeanAndTheMask) {
  TestTensor x(rng_, {40, 50}, 0.1f, 1.0f);
  GradientCheck(*context_, {&x}, {}, [&](Tape& tape, std::vector<Variable>& in) {
    return dropout(tape, in[0], 0.3f, 9);
  }).run();
  BufferPool pool;
  Tape tape(*context_, pool, {.seed = 1});
  const Variable in = x.variable(tape);
  const Variable out = dropout(tape, in, 0.3f, 4);
  const Variable again = dropout(tape, in, 0.3f, 4);
  const Variable other = dropout(tape, in, 0.3f, 5);
  double sum = 0;
  int zeros = 0;
  int differing = 0;
  for (int64_t i = 0; i < 2000; ++i) {
    sum += out.view().data[i];
    zeros += out.view().data[i] == 0.0f ? 1 : 0;
    EXPECT_EQ(out.view().data[i], again.view().data[i]);
    differing += out.view().data[i] != other.view().data[i] ? 1 : 0;
  }
  EXPECT_NEAR(sum / 2000, 1.0, 0.06);
  EXPECT_NEAR(zeros / 2000.0, 0.3, 0.04);
  EXPECT_GT(differing, 500);
  Tape still(*context_, pool, {.dropping = false});
  EXPECT_EQ(dropout(still, in, 0.3f, 4).buffer, in.buffer);
}

struct AttentionCase {
  AttentionShape shape;
  std::vector<Segment> segments;
  int64_t tokens;
};

std::vector<AttentionCase> attention_cases() {
  return {
      {{2, 2, 8, 0.35f, 0.0f, 0}, {{0, 5}}, 5},
      {{4, 2, 6, 0.4f, 0.0f, 0}, {{0, 3}, {3, 70}, {73, 1}}, 74},  // grouped queries, documents
      {{3, 1, 8, 0.35f, 0.0f, 9}, {{0, 140}}, 140},                // multi-query, a window
      {{2, 1, 10, 0.5f, 3.0f, 0}, {{0, 66}, {66, 20}}, 86},        // soft-capped
      {{2, 2, 8, 0.35f, 2.0f, 70}, {{0, 150}}, 150},
  };
}

TEST_F(OpsTest, Attention) {
  for (const AttentionCase& c : attention_cases()) {
    SCOPED_TRACE(c.tokens);
    TestTensor query(rng_, {c.tokens, c.shape.head_count * c.shape.head_dim});
    TestTensor key(rng_, {c.tokens, c.shape.kv_head_count * c.shape.head_dim});
    TestTensor value(rng_, {c.tokens, c.shape.kv_head_count * c.shape.head_dim});
    GradientCheck(*context_, {&query, &key, &value}, {},
                  [&](Tape& tape, std::vector<Variable>& in) {
                    return attention(tape, in[0], in[1], in[2], c.shape, c.segments);
                  })
        .run();
  }
}

// One query, in double.
std::vector<double> attend(const AttentionCase& c, const Segment& segment, int64_t token, int head,
                           const TestTensor& query, const TestTensor& key,
                           const TestTensor& value) {
  const int dim = c.shape.head_dim;
  const int kv_head = head / (c.shape.head_count / c.shape.kv_head_count);
  const auto at = [&](const TestTensor& t, int64_t row, int heads, int h, int i) {
    return double{t.values[static_cast<size_t>((row * heads + h) * dim + i)]};
  };
  std::vector<double> out(static_cast<size_t>(dim), 0.0);
  double sum = 0;
  for (int64_t k = segment.begin; k <= token; ++k) {
    if (c.shape.window > 0 && token - k >= c.shape.window) continue;
    double score = 0;
    for (int i = 0; i < dim; ++i) {
      score += at(query, token, c.shape.head_count, head, i) *
               at(key, k, c.shape.kv_head_count, kv_head, i);
    }
    score *= c.shape.scale;
    if (c.shape.soft_cap > 0) score = c.shape.soft_cap * std::tanh(score / c.shape.soft_cap);
    const double weight = std::exp(score);
    sum += weight;
    for (int i = 0; i < dim; ++i) {
      out[static_cast<size_t>(i)] += weight * at(value, k, c.shape.kv_head_count, kv_head, i);
    }
  }
  for (double& each : out) each /= sum;
  return out;
}

TEST_F(OpsTest, AttentionIsWhatItSays) {
  for (const AttentionCase& c : attention_cases()) {
    SCOPED_TRACE(c.tokens);
    TestTensor query(rng_, {c.tokens, c.shape.head_count * c.shape.head_dim});
    TestTensor key(rng_, {c.tokens, c.shape.kv_head_count * c.shape.head_dim});
    TestTensor value(rng_, {c.tokens, c.shape.kv_head_count * c.shape.head_dim});
    BufferPool pool;
    Tape tape(*context_, pool, {.record = false});
    const Variable out = attention(tape, query.variable(tape), key.variable(tape),
                                   value.variable(tape), c.shape, c.segments);
    for (const Segment& segment : c.segments) {
      for (int64_t t = segment.begin; t < segment.begin + segment.count; ++t) {
        for (int head = 0; head < c.shape.head_count; ++head) {
          const auto want = attend(c, segment, t, head, query, key, value);
          for (int i = 0; i < c.shape.head_dim; ++i) {
            ASSERT_NEAR(out.view().row(t)[head * c.shape.head_dim + i],
                        want[static_cast<size_t>(i)], 2e-5);
          }
        }
      }
    }
  }
}

TEST_F(OpsTest, Experts) {
  for (const bool normalize : {true, false}) {
    TestTensor x(rng_, {11, 8});
    TestTensor router(rng_, {4, 8});
    TestTensor gate(rng_, {4 * 6, 8}, 0.5f);
    TestTensor up(rng_, {4 * 6, 8}, 0.5f);
    TestTensor down(rng_, {4 * 8, 6}, 0.5f);
    ExpertOptions options{4, 2, normalize, 1.3f, Activation::kSilu, 0.7f};
    // Small steps: a token that changes its mind about an expert has no derivative.
    GradientCheck(*context_, {&x}, {&router, &gate, &up, &down},
                  [&](Tape& tape, std::vector<Variable>& in) {
                    return experts(
                        tape, in[0],
                        {router.parameter(), gate.parameter(), up.parameter(), down.parameter()},
                        options);
                  })
        .run({.step = 5e-4f, .tolerance = 1e-2});
  }
}

TEST_F(OpsTest, RecomputationGivesTheSameGradients) {
  TestTensor x(rng_, {6, 12});
  TestTensor weight(rng_, {12, 12}, 0.3f);
  TestTensor norm(rng_, {1, 12}, 0.1f, 1.0f);
  const auto layer = [&](Tape& tape, const Variable& in) {
    const Variable h =
        linear(tape, rms_norm(tape, in, norm.parameter(), 1e-5f), weight.parameter());
    return add(tape, in, dropout(tape, activate(tape, Activation::kSilu, h), 0.2f, 3));
  };
  std::vector<std::vector<float>> found;
  for (const bool again : {false, true}) {
    std::fill(weight.gradients.begin(), weight.gradients.end(), 0.0f);
    std::fill(norm.gradients.begin(), norm.gradients.end(), 0.0f);
    BufferPool pool;
    Tape tape(*context_, pool, {.seed = 3});
    const Variable in = x.variable(tape);
    {
      Variable out = again ? tape.recompute(in, layer) : layer(tape, in);
      out = again ? tape.recompute(out, layer) : layer(tape, out);
      const MatrixView to = out.gradient->target(tape).view;
      for (int64_t i = 0; i < 72; ++i) to.data[i] = static_cast<float>(i % 5) - 2.0f;
    }
    tape.backward();
    std::vector<float> all(in.gradient->view().data, in.gradient->view().data + 72);
    all.insert(all.end(), weight.gradients.begin(), weight.gradients.end());
    all.insert(all.end(), norm.gradients.begin(), norm.gradients.end());
    found.push_back(all);
  }
  EXPECT_EQ(found[0], found[1]);
}

TEST_F(OpsTest, CountingNeedsTheMemoryThatItSays) {
  TestTensor weight(rng_, {16, 16});
  const auto run = [&](BufferPool& pool) {
    Tape tape(*context_, pool);
    {
      const Variable x = tape.make(20, 16);
      tape.compute([&] { std::fill_n(x.view().data, 320, 0.5f); });
      Variable h = linear(tape, x, weight.parameter());
      h = add(tape, h, activate(tape, Activation::kSilu, h));
      const MatrixView to = h.gradient->zeroed_target(tape);
      static_cast<void>(to);
    }
    tape.backward();
  };
  BufferPool real;
  BufferPool counting(BufferPool::Mode::kCounting);
  for (int step = 0; step < 3; ++step) run(real);
  run(counting);
  EXPECT_EQ(real.bytes(), counting.bytes());
  EXPECT_GT(real.bytes(), 0u);
}

}  // namespace
}  // namespace minim::train
