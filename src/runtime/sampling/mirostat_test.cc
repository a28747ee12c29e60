// Mirostat by hand, and whether it does what it is for.
#include <gtest/gtest.h>

#include <cmath>

#include "kernels/registry.h"
#include "runtime/testing/distribution.h"

namespace minim {
namespace {

std::vector<float> logits_of(const std::vector<double>& probabilities) {
  std::vector<float> logits;
  for (const double p : probabilities) logits.push_back(static_cast<float>(std::log(p)));
  return logits;
}

// How many tokens the step leaves, and then the draw of one of them.
int64_t step_and_draw(SamplingStep& step, const std::vector<float>& logits, double uniform,
                      TokenId expected) {
  Candidates candidates(kernels::select_kernel_table());
  candidates.assign(logits);
  Rng rng(1);
  step.apply(candidates, {}, rng);
  const Draw draw = candidates.draw(uniform);
  EXPECT_EQ(draw.token, expected);
  step.drawn(draw);
  step.accept(draw.token);
  return candidates.count();
}

TEST(Mirostat, SecondVersionByHand) {
  // Surprises of 1, 2, 3 and 3 bits; mu begins at twice the target.
  const auto logits = logits_of({0.5, 0.25, 0.125, 0.125});
  const auto step = make_mirostat({.version = 2, .target = 1.1f, .rate = 1});
  // mu 2.2: two tokens are left, of 2/3 and 1/3. The first has 0.585 bits: mu 2.715.
  EXPECT_EQ(step_and_draw(*step, logits, 0.1, 0), 2);
  // The second has 1.585 bits: mu 2.23.
  EXPECT_EQ(step_and_draw(*step, logits, 0.9, 1), 2);
  // The same again: mu 1.745, where one token is left; its surprise is 0, so that mu is 2.845 ...
  EXPECT_EQ(step_and_draw(*step, logits, 0.9, 1), 2);
  EXPECT_EQ(step_and_draw(*step, logits, 0.9, 0), 1);
  // ... and 3.36 after the first of two: all are left.
  EXPECT_EQ(step_and_draw(*step, logits, 0.1, 0), 2);
  EXPECT_EQ(step_and_draw(*step, logits, 0.1, 0), 4);
}

TEST(Mirostat, WhatOthersChoseChangesNothing) {
  const auto logits = logits_of({0.5, 0.25, 0.125, 0.125});
  const auto step = make_mirostat({.version = 2, .target = 1.1f, .rate = 1});
  for (int i = 0; i < 5; ++i) {
    step->accept(2);
    Candidates candidates(kernels::select_kernel_table());
    candidates.assign(logits);
    Rng rng(1);
    step->apply(candidates, {}, rng);
    EXPECT_EQ(candidates.count(), 2);
    step->drawn(candidates.draw(0.1));  // not accepted
  }
}

// Of a Zipf distribution the exponent is estimated exactly, and with it the number of tokens:
// k = (epsilon 2^mu / (1 - N^-epsilon))^(1/s) with epsilon = s - 1.
TEST(Mirostat, FirstVersionOnZipf) {
  constexpr int kVocabulary = 20'000;
  for (const double s : {0.8, 1.0, 1.3}) {
    std::vector<float> logits;
    for (int rank = 1; rank <= kVocabulary; ++rank) {
      logits.push_back(static_cast<float>(-s * std::log(rank)));
    }
    for (const double target : {1.0, 2.5, 4.0}) {
      const double epsilon = s - 1;
      const double ratio = std::abs(epsilon) < 1e-9
                               ? 1 / std::log(double{kVocabulary})
                               : epsilon / (1 - std::pow(double{kVocabulary}, -epsilon));
      const double k = std::pow(ratio * std::exp2(2 * target), 1 / s);
      Candidates candidates(kernels::select_kernel_table());
      candidates.assign(logits);
      Rng rng(1);
      make_mirostat({.version = 1, .target = static_cast<float>(target)})
          ->apply(candidates, {}, rng);
      EXPECT_NEAR(static_cast<double>(candidates.count()), std::max(1.0, k), 0.51 + 0.002 * k)
          << s << " " << target;
    }
  }
}

// The mean surprise comes to the target, on a distribution that alone would be far from it.
TEST(Mirostat, HoldsTheSurprise) {
  constexpr int kTokens = 1500;
  Rng rng(4);
  for (const int version : {1, 2}) {
    for (const float target : {2.0f, 4.0f}) {
      const auto step = make_mirostat({.version = version, .target = target, .rate = 0.1f});
      double surprise = 0;
      for (int i = 0; i < kTokens; ++i) {
        std::vector<float> logits;
        for (int rank = 1; rank <= 600; ++rank) {
          logits.push_back(-1.1f * std::log(float(rank)) + 0.2f * rng.normal());
        }
        Candidates candidates(kernels::select_kernel_table());
        candidates.assign(logits);
        step->apply(candidates, {}, rng);
        const Draw draw = candidates.draw(static_cast<double>(rng.uniform()));
        step->drawn(draw);
        step->accept(draw.token);
        surprise -= std::log2(draw.probability) / kTokens;
      }
      // mu moved by rate * sum of the errors, and stays within some bits.
      EXPECT_NEAR(surprise, double{target}, 0.1) << "version " << version;
    }
  }
}

TEST(Mirostat, EqualLogitsLeaveEverything) {
  const std::vector<float> logits(1000, 1.0f);
  Candidates candidates(kernels::select_kernel_table());
  candidates.assign(logits);
  Rng rng(1);
  make_mirostat({.version = 1, .target = 3})->apply(candidates, {}, rng);
  EXPECT_EQ(candidates.count(), 1000);
  make_mirostat({.version = 2, .target = 3})->apply(candidates, {}, rng);
  // Each has a surprise of 10 bits, more than is wanted: equals are no worse than the best.
  EXPECT_EQ(candidates.count(), 1000);
}

}  // namespace
}  // namespace minim
