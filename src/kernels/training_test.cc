// The way back through rows, on every table against double precision and finite differences of it.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "kernels/testing/random_data.h"

namespace minim::kernels {
namespace {

using testing::random_floats;
using testing::supported_tables;

constexpr int64_t kCounts[] = {1, 2, 7, 8, 9, 16, 31, 33, 70};
constexpr float kGuard = 777.0f;

// Rows with one value more than the kernels may touch.
std::vector<float> guarded(Rng& rng, int64_t count, float deviation = 1.0f) {
  std::vector<float> values = random_floats(rng, static_cast<size_t>(count), deviation);
  values.push_back(kGuard);
  return values;
}

double f(Activation activation, double x) {
  switch (activation) {
    case Activation::kSilu: return x / (1.0 + std::exp(-x));
    case Activation::kGeluTanh:
      return 0.5 * x * (1.0 + std::tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));
    case Activation::kGeluErf: return 0.5 * x * (1.0 + std::erf(x / std::sqrt(2.0)));
    case Activation::kReluSquared: return x > 0 ? x * x : 0.0;
  }
  return 0;
}

double slope(Activation activation, double x) {
  constexpr double kStep = 1e-5;
  return (f(activation, x + kStep) - f(activation, x - kStep)) / (2 * kStep);
}

constexpr Activation kActivations[] = {Activation::kSilu, Activation::kGeluTanh,
                                       Activation::kGeluErf, Activation::kReluSquared};

class TrainingKernelsTest : public ::testing::TestWithParam<const KernelTable*> {
 protected:
  const TrainingKernels& kernels() const { return GetParam()->training; }
  Rng rng_{testing::test_seed()};
};

TEST_P(TrainingKernelsTest, SumsAndProducts) {
  for (const int64_t count : kCounts) {
    const auto x = guarded(rng_, count);
    const auto y = guarded(rng_, count);
    auto scaled = guarded(rng_, count);
    auto product = scaled;
    const auto before = scaled;
    kernels().add_scaled(0.7f, x.data(), scaled.data(), count);
    kernels().add_product(x.data(), y.data(), product.data(), count);
    double dot = 0;
    double size = 0;
    for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
      EXPECT_NEAR(scaled[i], before[i] + 0.7f * x[i], 1e-6);
      EXPECT_NEAR(product[i], before[i] + x[i] * y[i], 2e-6);
      dot += double{x[i]} * y[i];
      size += std::abs(double{x[i]} * y[i]);
    }
    EXPECT_EQ(scaled.back(), kGuard);
    EXPECT_EQ(product.back(), kGuard);
    EXPECT_NEAR(kernels().dot(x.data(), y.data(), count), dot, 1e-6 * size);
  }
}

TEST_P(TrainingKernelsTest, SoftmaxThereAndBack) {
  for (const int64_t count : kCounts) {
    auto x = guarded(rng_, count, 3.0f);
    const auto before = x;
    const float found = kernels().softmax_numerators(1.5f, x.data(), count);
    double sum = 0;
    auto gradient = guarded(rng_, count);
    const auto gradient_before = gradient;
    kernels().softmax_gradient(before.data(), 0.3f, gradient.data(), count);
    for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
      const double want = std::exp(double{before[i]} - 1.5);
      EXPECT_NEAR(x[i], want, want * 1e-6);
      sum += want;
      EXPECT_NEAR(gradient[i], before[i] * (gradient_before[i] - 0.3f), 2e-6);
    }
    EXPECT_NEAR(found, sum, sum * 1e-6);
    EXPECT_EQ(x.back(), kGuard);
    EXPECT_EQ(gradient.back(), kGuard);
  }
}

TEST_P(TrainingKernelsTest, Activations) {
  for (const Activation activation : kActivations) {
    SCOPED_TRACE(static_cast<int>(activation));
    for (const int64_t count : kCounts) {
      const auto x = guarded(rng_, count, 2.0f);
      const auto up = guarded(rng_, count);
      auto gradient = guarded(rng_, count);
      const auto before = gradient;
      auto gate_gradient = guarded(rng_, count);
      auto up_gradient = guarded(rng_, count);
      kernels().activate_gradient(activation, x.data(), gradient.data(), count);
      kernels().gated_activate_gradient(activation, x.data(), up.data(), before.data(),
                                        gate_gradient.data(), up_gradient.data(), count);
      for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
        const double s = slope(activation, x[i]);
        EXPECT_NEAR(gradient[i], before[i] * s, 1e-5) << x[i];
        EXPECT_NEAR(gate_gradient[i], before[i] * up[i] * s, 2e-5) << x[i];
        EXPECT_NEAR(up_gradient[i], before[i] * f(activation, x[i]), 1e-5) << x[i];
      }
      EXPECT_EQ(gradient.back(), kGuard);
      EXPECT_EQ(gate_gradient.back(), kGuard);
      EXPECT_EQ(up_gradient.back(), kGuard);
    }
  }
}

TEST_P(TrainingKernelsTest, SoftCap) {
  for (const int64_t count : kCounts) {
    const auto capped = guarded(rng_, count);
    auto gradient = guarded(rng_, count);
    const auto before = gradient;
    kernels().soft_cap_gradient(4.0f, capped.data(), gradient.data(), count);
    for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
      EXPECT_NEAR(gradient[i], before[i] * (1.0f - capped[i] * capped[i] / 16.0f), 1e-6);
    }
    EXPECT_EQ(gradient.back(), kGuard);
  }
}

// sum of g * norm(x) * weight in double.
double norm_sum(const std::vector<double>& x, const std::vector<float>& weight,
                const std::vector<float>& g, double epsilon, bool centred) {
  double mean = 0;
  for (const double each : x) mean += centred ? each / static_cast<double>(x.size()) : 0.0;
  double square = 0;
  for (const double each : x) square += (each - mean) * (each - mean);
  const double factor = 1.0 / std::sqrt(square / static_cast<double>(x.size()) + epsilon);
  double sum = 0;
  for (size_t i = 0; i < x.size(); ++i) sum += g[i] * (x[i] - mean) * factor * weight[i];
  return sum;
}

TEST_P(TrainingKernelsTest, Norms) {
  constexpr float kEpsilon = 0.1f;
  for (const bool centred : {false, true}) {
    for (const int64_t count : kCounts) {
      SCOPED_TRACE(count);
      const auto x = guarded(rng_, count);
      const auto weight = guarded(rng_, count);
      const auto g = guarded(rng_, count);
      const auto before = guarded(rng_, count);
      for (const bool accumulate : {false, true}) {
        auto gradient = before;
        std::vector<float> weight_gradient(static_cast<size_t>(count), 0.5f);
        std::vector<float> bias_gradient(static_cast<size_t>(count), 0.25f);
        const NormGradientSlice slice = {x.data(),
                                         weight.data(),
                                         g.data(),
                                         kEpsilon,
                                         gradient.data(),
                                         weight_gradient.data(),
                                         centred ? bias_gradient.data() : nullptr,
                                         count,
                                         accumulate};
        (centred ? kernels().layer_norm_gradient : kernels().rms_norm_gradient)(slice);
        for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
          std::vector<double> wide(x.begin(), x.end() - 1);
          const auto at = [&](double step) {
            wide[i] = x[i] + step;
            return norm_sum(wide, weight, g, kEpsilon, centred);
          };
          const double want = (at(1e-5) - at(-1e-5)) / 2e-5;
          EXPECT_NEAR(gradient[i], want + (accumulate ? before[i] : 0.0f), 5e-5);
          std::vector<float> only(weight.size(), 0.0f);
          only[i] = 1.0f;
          const std::vector<double> same(x.begin(), x.end() - 1);
          EXPECT_NEAR(weight_gradient[i], 0.5 + norm_sum(same, only, g, kEpsilon, centred), 2e-5);
          if (centred) {
            EXPECT_NEAR(bias_gradient[i], 0.25f + g[i], 1e-6);
          }
        }
        EXPECT_EQ(gradient.back(), kGuard);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Tables, TrainingKernelsTest,
                         ::testing::ValuesIn(testing::supported_tables()),
                         [](const auto& test) { return instruction_set_name(test.param->set); });

}  // namespace
}  // namespace minim::kernels
