// The row kernels of every table against double precision, over all lengths up to several vectors.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "base/half.h"
#include "kernels/testing/random_data.h"

namespace minim::kernels {
namespace {

using testing::random_floats;
using testing::supported_tables;

constexpr int kCountMax = 70;  // four vectors of 16 and a remainder

// Runs `kernel` on every length, between guards, and compares with `expected` of each element.
void check_rows(const std::function<void(const KernelTable&, float*, int64_t)>& kernel,
                const std::function<double(double)>& expected, double relative, double absolute) {
  for (const KernelTable* table : supported_tables()) {
    MINIM_TRACE_TABLE(*table);
    Rng rng(testing::test_seed());
    for (int count = 0; count <= kCountMax; ++count) {
      std::vector<float> x = random_floats(rng, static_cast<size_t>(count) + 2, 4.0f);
      const std::vector<float> before = x;
      kernel(*table, x.data() + 1, count);
      EXPECT_EQ(x.front(), before.front());
      EXPECT_EQ(x.back(), before.back()) << "wrote past the end of " << count;
      for (int i = 1; i <= count; ++i) {
        const auto at = static_cast<size_t>(i);
        const double want = expected(before[at]);
        ASSERT_NEAR(x[at], want, std::abs(want) * relative + absolute) << "f(" << before[at] << ")";
      }
    }
  }
}

double silu(double x) { return x / (1 + std::exp(-x)); }
double gelu_tanh(double x) {
  return x / 2 * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
}
double gelu_erf(double x) { return x / 2 * (1 + std::erf(x / std::sqrt(2.0))); }
double relu_squared(double x) { return x > 0 ? x * x : 0; }

struct ActivationCase {
  Activation activation;
  double (*expected)(double);
};
constexpr ActivationCase kActivations[] = {{Activation::kSilu, silu},
                                           {Activation::kGeluTanh, gelu_tanh},
                                           {Activation::kGeluErf, gelu_erf},
                                           {Activation::kReluSquared, relu_squared}};

TEST(Rows, Activations) {
  for (const ActivationCase& test : kActivations) {
    check_rows([&](const KernelTable& table, float* x,
                   int64_t count) { table.activate(test.activation, x, count); },
               test.expected, 1e-6, 5e-7);
  }
}

TEST(Rows, GatedActivations) {
  for (const ActivationCase& test : kActivations) {
    check_rows(
        [&](const KernelTable& table, float* x, int64_t count) {
          const std::vector<float> up(static_cast<size_t>(count), -3.0f);
          table.gated_activate(test.activation, x, up.data(), count);
        },
        [&](double x) { return -3 * test.expected(x); }, 1e-6, 2e-6);
  }
}

TEST(Rows, SoftCap) {
  check_rows(
      [](const KernelTable& table, float* x, int64_t count) { table.soft_cap(2.5f, x, count); },
      [](double x) { return 2.5 * std::tanh(x / 2.5); }, 3e-7, 0);
}

TEST(Rows, Scale) {
  check_rows(
      [](const KernelTable& table, float* x, int64_t count) { table.scale(0.75f, x, count); },
      [](double x) { return static_cast<float>(0.75 * x); }, 0, 0);
}

TEST(Rows, Add) {
  check_rows(
      [](const KernelTable& table, float* x, int64_t count) {
        const std::vector<float> y(static_cast<size_t>(count), 1.5f);
        table.add(y.data(), x, count);
      },
      [](double x) { return static_cast<float>(x + 1.5); }, 0, 0);
}

// e^x to 2 units in the last place over the whole range, and its edges.
TEST(Rows, Exponential) {
  for (const KernelTable* table : supported_tables()) {
    MINIM_TRACE_TABLE(*table);
    std::vector<float> x;
    for (float at = -87.3f; at < 88.7f; at += 0.00731f) x.push_back(at);
    const std::vector<float> before = x;
    table->exponential(x.data(), static_cast<int64_t>(x.size()));
    for (size_t i = 0; i < x.size(); ++i) {
      const double want = std::exp(static_cast<double>(before[i]));
      ASSERT_NEAR(x[i], want, want * 2 * 0x1p-23) << before[i];
    }
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    float edges[] = {
        0.0f,  -0.0f,   kInfinity, -kInfinity, 89.0f,
        1e30f, -104.5f, -1e30f,    -95.0f,     std::numeric_limits<float>::quiet_NaN()};
    table->exponential(edges, std::size(edges));
    EXPECT_EQ(edges[0], 1.0f);
    EXPECT_EQ(edges[1], 1.0f);
    EXPECT_EQ(edges[2], kInfinity);
    EXPECT_EQ(edges[3], 0.0f);
    EXPECT_EQ(edges[4], kInfinity);
    EXPECT_EQ(edges[5], kInfinity);
    EXPECT_EQ(edges[6], 0.0f);
    EXPECT_EQ(edges[7], 0.0f);
    EXPECT_NEAR(edges[8], std::exp(-95.0), 2 * 0x1p-149);  // subnormal
    EXPECT_TRUE(std::isnan(edges[9]));
  }
}

TEST(Rows, Maximum) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  for (const KernelTable* table : supported_tables()) {
    MINIM_TRACE_TABLE(*table);
    EXPECT_EQ(table->maximum(nullptr, 0), -kInfinity);
    Rng rng(testing::test_seed());
    for (int count = 1; count <= 3 * kCountMax; ++count) {
      std::vector<float> x = random_floats(rng, static_cast<size_t>(count));
      for (float& value : x) value -= 10.0f;  // lanes past the end must not count as zeros
      const float want = *std::max_element(x.begin(), x.end());
      ASSERT_EQ(table->maximum(x.data(), count), want) << count;
      for (float& value : x) {
        if (value != want) value = kNan;
      }
      ASSERT_EQ(table->maximum(x.data(), count), want) << count << ", all others not a number";
      x[rng.below(x.size())] = kInfinity;
      ASSERT_EQ(table->maximum(x.data(), count), kInfinity);
      x.assign(x.size(), kNan);
      ASSERT_EQ(table->maximum(x.data(), count), -kInfinity);
    }
  }
}

TEST(Rows, ExponentialSum) {
  for (const KernelTable* table : supported_tables()) {
    MINIM_TRACE_TABLE(*table);
    EXPECT_EQ(table->exponential_sum(nullptr, 1.0f, 0), 0.0f);
    Rng rng(testing::test_seed());
    for (int count = 1; count <= 3 * kCountMax; ++count) {
      std::vector<float> x = random_floats(rng, static_cast<size_t>(count), 3.0f);
      x.back() = -std::numeric_limits<float>::infinity();
      double want = 0;
      for (const float value : x) want += std::exp(double{value} - 1.5);
      ASSERT_NEAR(table->exponential_sum(x.data(), 1.5f, count), want, want * 2e-6) << count;
    }
  }
}

TEST(Rows, ActivationsOfExtremeValues) {
  constexpr float kLarge = 1e4f;
  for (const KernelTable* table : supported_tables()) {
    MINIM_TRACE_TABLE(*table);
    for (const ActivationCase& test : kActivations) {
      float x[] = {kLarge, -kLarge, 30.0f, -30.0f, std::numeric_limits<float>::quiet_NaN()};
      table->activate(test.activation, x, 5);
      EXPECT_NEAR(x[0] / test.expected(kLarge), 1, 1e-6);
      EXPECT_NEAR(x[1], 0, 1e-6);
      EXPECT_NEAR(x[2] / test.expected(30), 1, 1e-6);
      EXPECT_NEAR(x[3], test.expected(-30), 1e-6);
      EXPECT_TRUE(std::isnan(x[4]) || test.activation == Activation::kReluSquared);
    }
  }
}

TEST(Rows, Softmax) {
  for (const KernelTable* table : supported_tables()) {
    MINIM_TRACE_TABLE(*table);
    Rng rng(testing::test_seed());
    for (int count = 1; count <= kCountMax; ++count) {
      std::vector<float> x = random_floats(rng, static_cast<size_t>(count), 6.0f);
      double sum = 0;
      for (const float value : x) sum += std::exp(static_cast<double>(value));
      std::vector<double> want;
      for (const float value : x) want.push_back(std::exp(static_cast<double>(value)) / sum);
      table->softmax(x.data(), count);
      for (size_t i = 0; i < x.size(); ++i) ASSERT_NEAR(x[i], want[i], want[i] * 2e-6);
    }
    float large[] = {1e30f, 1e30f, -1e30f};
    table->softmax(large, 3);
    EXPECT_EQ(large[0], 0.5f);
    EXPECT_EQ(large[2], 0.0f);
  }
}

TEST(Rows, Norms) {
  for (const KernelTable* table : supported_tables()) {
    MINIM_TRACE_TABLE(*table);
    Rng rng(testing::test_seed());
    for (int count = 1; count <= kCountMax; ++count) {
      const auto size = static_cast<size_t>(count);
      std::vector<float> x = random_floats(rng, size);
      for (float& value : x) value += 3.0f;
      const std::vector<float> weight = random_floats(rng, size);
      const std::vector<float> bias = random_floats(rng, size);
      double mean = 0;
      double squares = 0;
      for (const float value : x) mean += value / static_cast<double>(count);
      for (const float value : x) squares += double{value} * value / count;
      double variance = 0;
      for (const float value : x) variance += (value - mean) * (value - mean) / count;

      std::vector<float> rms(size);
      table->rms_norm(x.data(), weight.data(), 1e-5f, rms.data(), count);
      std::vector<float> layer(size);
      table->layer_norm(x.data(), weight.data(), bias.data(), 1e-5f, layer.data(), count);
      for (size_t i = 0; i < size; ++i) {
        const double want_rms = x[i] / std::sqrt(squares + 1e-5f) * weight[i];
        ASSERT_NEAR(rms[i], want_rms, 1e-6 * (std::abs(want_rms) + 1e-3)) << count;
        const double scale = weight[i] / std::sqrt(variance + 1e-5f);
        const double want_layer = (x[i] - mean) * scale + bias[i];
        ASSERT_NEAR(layer[i], want_layer, 1e-6 * (5 * std::abs(scale) + std::abs(bias[i])))
            << count;
      }
      table->rms_norm(x.data(), weight.data(), 1e-5f, x.data(), count);  // in place
      EXPECT_EQ(x, rms);
    }
  }
}

TEST(Rows, StoreHalfRoundsLikeTheSpecification) {
  for (const KernelTable* table : supported_tables()) {
    MINIM_TRACE_TABLE(*table);
    Rng rng(testing::test_seed());
    for (int count = 0; count <= kCountMax; ++count) {
      std::vector<float> x = random_floats(rng, static_cast<size_t>(count), 100.0f);
      for (size_t i = 0; i < x.size(); i += 3) x[i] *= 1e-7f;  // subnormal halves
      if (count > 5) x[5] = 1e6f;
      std::vector<uint16_t> stored(x.size() + 1, 0xabcd);
      table->store_half(x.data(), stored.data(), count);
      for (size_t i = 0; i < x.size(); ++i) ASSERT_EQ(stored[i], float_to_half(x[i])) << x[i];
      EXPECT_EQ(stored.back(), 0xabcd) << "wrote past the end of " << count;
    }
  }
}

// Every pair of every head against double precision, at short and long positions.
void check_rope(const KernelTable& table, RopePairing pairing, int head_dim, int pairs,
                float position) {
  constexpr int kHeads = 3;
  Rng rng(testing::test_seed());
  std::vector<float> frequencies;
  for (int i = 0; i < pairs; ++i) frequencies.push_back(std::pow(1e4f, -float(i) / float(pairs)));
  std::vector<float> x = random_floats(rng, size_t{kHeads} * static_cast<size_t>(head_dim));
  const std::vector<float> before = x;
  RopeSlice slice;
  slice.x = x.data();
  slice.head_count = kHeads;
  slice.head_dim = head_dim;
  slice.frequencies = frequencies.data();
  slice.pair_count = pairs;
  slice.position = position;
  slice.magnitude = 1.25f;
  slice.pairing = pairing;
  table.rope(slice);
  std::vector<double> want(before.begin(), before.end());
  for (int head = 0; head < kHeads; ++head) {
    for (int i = 0; i < pairs; ++i) {
      const bool halves = pairing == RopePairing::kHalves;
      const auto a = static_cast<size_t>(head * head_dim + (halves ? i : 2 * i));
      const size_t b = a + static_cast<size_t>(halves ? pairs : 1);
      const double angle = double{position} * frequencies[static_cast<size_t>(i)];
      want[a] = 1.25 * (before[a] * std::cos(angle) - before[b] * std::sin(angle));
      want[b] = 1.25 * (before[a] * std::sin(angle) + before[b] * std::cos(angle));
    }
  }
  for (size_t i = 0; i < x.size(); ++i) {
    ASSERT_NEAR(x[i], want[i], 2e-6) << "value " << i << " of heads of " << head_dim << ", "
                                     << pairs << " pairs, position " << position;
  }
}

TEST(Rows, Rope) {
  for (const KernelTable* table : supported_tables()) {
    MINIM_TRACE_TABLE(*table);
    for (const RopePairing pairing : {RopePairing::kAdjacent, RopePairing::kHalves}) {
      for (const int head_dim : {2, 8, 10, 48, 64, 96, 128}) {
        for (const float position : {0.0f, 1.0f, 2.0f, 3.0f, 5.0f, 100.0f, 32767.0f, 999983.0f}) {
          check_rope(*table, pairing, head_dim, head_dim / 2, position);
          check_rope(*table, pairing, head_dim, std::max(1, head_dim / 4), position);
        }
      }
    }
  }
}

}  // namespace
}  // namespace minim::kernels
