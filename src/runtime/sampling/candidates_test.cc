// Both forms of the candidates against the plainest computation.
#include "runtime/sampling/candidates.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "kernels/registry.h"
#include "runtime/testing/distribution.h"

namespace minim {
namespace {

using testing::distribution;
using testing::expect_same;
using testing::in_double;
using testing::kGone;
using testing::Logits;
using testing::random_logits;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr uint64_t kSeed = 20240229;

struct Change {
  int32_t token;
  float amount;
};

// Runs `check` on candidates of many sizes, once as they are assigned and once as a list.
void for_each_case(const std::function<void(Candidates&, const Logits&, Rng&)>& check) {
  Rng rng(kSeed);
  for (const size_t count : {1u, 2u, 50u, 127u, 128u, 129u, 1000u, 5000u, 20000u}) {
    for (const float deviation : {0.0f, 0.3f, 3.0f}) {
      for (const bool as_list : {false, true}) {
        SCOPED_TRACE(::testing::Message()
                     << count << " logits, deviation " << deviation << (as_list ? ", listed" : ""));
        const auto logits = random_logits(rng, count, deviation);
        Candidates candidates(kernels::select_kernel_table());
        candidates.assign(logits);
        if (as_list) candidates.keep_from(Candidates::kNever);
        check(candidates, in_double(logits), rng);
        if (::testing::Test::HasFatalFailure()) return;
      }
    }
  }
}

TEST(Candidates, QuestionsAreAnswered) {
  for_each_case([](Candidates& candidates, const Logits& logits, Rng&) {
    const auto order = testing::by_logit(logits);
    const auto best = candidates.best();
    EXPECT_EQ(best.token, order.front());
    EXPECT_EQ(best.logit, candidates.best_logit());
    EXPECT_EQ(candidates.count(), static_cast<int64_t>(order.size()));
    double sum = 0, mean = 0, variance = 0;
    const auto n = static_cast<double>(order.size());
    for (const int token : order) sum += std::exp(logits[size_t(token)]);
    for (const int token : order) mean += logits[size_t(token)] / n;
    for (const int token : order) variance += std::pow(logits[size_t(token)] - mean, 2) / n;
    EXPECT_NEAR(candidates.log_sum(), std::log(sum), 2e-6);
    EXPECT_NEAR(candidates.entropy(), testing::entropy(logits), 1e-5);
    EXPECT_NEAR(candidates.deviation(), std::sqrt(variance), 1e-5);
    for (const int64_t wanted : {0, 1, 3, 40, 100000}) {
      const auto found = candidates.find_best(wanted);
      ASSERT_EQ(found.size(), std::min(order.size(), static_cast<size_t>(wanted)));
      for (size_t i = 0; i < found.size(); ++i) ASSERT_EQ(found[i].token, order[i]) << i;
    }
    expect_same(candidates, logits);
  });
}

TEST(Candidates, AreNarrowed) {
  for (const int64_t count : {1, 2, 40, 300, 100000}) {
    for_each_case([&](Candidates& candidates, const Logits& logits, Rng&) {
      candidates.keep_best(count);
      expect_same(candidates, testing::spec_top_k(logits, static_cast<size_t>(count)));
    });
  }
  for (const double share : {0.0, 0.1, 0.9, 0.99}) {
    for_each_case([&](Candidates& candidates, const Logits& logits, Rng&) {
      // Where all are equal, the last one is a matter of rounding.
      if (candidates.deviation() == 0) return;
      candidates.keep_probable(share);
      expect_same(candidates, testing::spec_top_p(logits, share));
    });
  }
  for (const float gap : {-1.0f, 0.0f, 1.0f, 5.0f}) {
    for_each_case([&](Candidates& candidates, const Logits& logits, Rng&) {
      const float best = candidates.best_logit();
      candidates.keep_from(best - gap);
      expect_same(candidates, testing::spec_from(logits, double{best - std::max(gap, 0.0f)}));
    });
  }
}

TEST(Candidates, AreTakenByTheirDistance) {
  for (const double center : {-0.5, -3.0, -9.0, -40.0}) {
    for (const double share : {0.01, 0.5, 0.95}) {
      for_each_case([&](Candidates& candidates, const Logits& logits, Rng&) {
        if (candidates.deviation() == 0) return;
        const auto p = testing::probabilities(logits);
        const auto distance = [&](int token) {
          return std::abs(std::log(p[size_t(token)]) - center);
        };
        const auto tokens =
            testing::ordered(logits, [&](int a, int b) { return distance(a) < distance(b); });
        candidates.keep_nearest(share, center);
        expect_same(candidates, testing::take_share(logits, tokens, share));
      });
    }
  }
}

TEST(Candidates, ChangesAreSeenByAllThatFollows) {
  for_each_case([](Candidates& candidates, Logits logits, Rng& rng) {
    candidates.log_sum();  // what was computed before must not be used after
    const auto survivor = static_cast<size_t>(candidates.best().token);
    std::vector<Change> changes;
    std::vector<int32_t> removed;
    for (size_t token = 0; token < logits.size(); ++token) {
      if (rng.below(10) == 0) changes.push_back({static_cast<int32_t>(token), rng.normal() * 9});
      if (rng.below(10) == 0 && token != survivor) removed.push_back(static_cast<int32_t>(token));
    }
    for (const Change& change : changes) logits[size_t(change.token)] += double{change.amount};
    for (const int32_t token : removed) logits[size_t(token)] = kGone;
    candidates.adjust(std::span<const Change>(changes),
                      [](float logit, const Change& change) { return logit + change.amount; });
    candidates.remove(removed);
    expect_same(candidates, logits);
    ASSERT_EQ(candidates.best().token, testing::by_logit(logits).front());
    candidates.scale(0.5f);
    for (double& logit : logits) logit *= 0.5;
    expect_same(candidates, logits);
    candidates.keep_best(20);
    expect_same(candidates, testing::spec_top_k(logits, 20));
  });
}

TEST(Candidates, OnlyWhatIsAllowedIsRetained) {
  for (const uint64_t one_in : {1, 2, 50}) {
    for_each_case([&](Candidates& candidates, Logits logits, Rng& rng) {
      std::vector<uint64_t> allowed(logits.size() / 64 + 1);
      const auto best = static_cast<size_t>(candidates.best().token);
      for (size_t token = 0; token < logits.size(); ++token) {
        if (rng.below(one_in) == 0 || token == best) {
          allowed[token / 64] |= uint64_t{1} << token % 64;
        } else {
          logits[token] = kGone;
        }
      }
      candidates.retain(allowed);
      expect_same(candidates, logits);
      // A mask that ends early allows nothing beyond its end.
      const std::vector<uint64_t> none(1);
      candidates.retain(none);
      EXPECT_TRUE(candidates.empty());
    });
  }
}

// The inverse of the cumulative distribution: as many draws as there are steps of `uniform` come
// out as often as they should, exactly but for the ends of each token's interval.
TEST(Candidates, DrawsInProportion) {
  for_each_case([](Candidates& candidates, const Logits& logits, Rng&) {
    const auto expected = distribution(logits);
    constexpr int kSteps = 4000;
    std::map<int, int> counts;
    for (int i = 0; i < kSteps; ++i) {
      const Draw draw = candidates.draw((i + 0.5) / kSteps);
      ++counts[draw.token];
      ASSERT_TRUE(expected.contains(draw.token));
      const double p = expected.at(draw.token);
      ASSERT_NEAR(draw.probability, p, 1e-8 + 2e-5 * p);
    }
    for (const auto& [token, p] : expected) {
      ASSERT_NEAR(counts[token], p * kSteps, 1.01) << token;
    }
    EXPECT_TRUE(expected.contains(candidates.draw(0).token));
    EXPECT_TRUE(expected.contains(candidates.draw(1 - 0x1p-53).token));
  });
}

TEST(Candidates, WhatIsNotANumberCannotBeChosen) {
  Candidates candidates(kernels::select_kernel_table());
  std::vector<float> logits(300, kNan);
  EXPECT_THROW(candidates.assign(logits), Error);
  logits[7] = -kInfinity;
  EXPECT_THROW(candidates.assign(logits), Error);
  EXPECT_THROW(candidates.assign({}), Error);
  logits[200] = 1;
  logits[299] = 2;
  candidates.assign(logits);
  EXPECT_EQ(candidates.count(), 2);
  EXPECT_EQ(candidates.best().token, 299);
  Logits expected(300, kGone);
  expected[200] = 1;
  expected[299] = 2;
  expect_same(candidates, expected);
  EXPECT_NEAR(candidates.entropy(), testing::entropy(expected), 1e-6);
  EXPECT_NEAR(candidates.deviation(), 0.5, 1e-6);
  EXPECT_EQ(candidates.draw(0.1).token, 200);
  EXPECT_EQ(candidates.draw(0.9).token, 299);
}

TEST(Candidates, InfinityLeavesNothingElse) {
  Candidates candidates(kernels::select_kernel_table());
  std::vector<float> logits(300, 5);
  logits[3] = kInfinity;
  logits[200] = kInfinity;
  candidates.assign(logits);
  Logits expected(300, kGone);
  expected[3] = expected[200] = 0;
  expect_same(candidates, expected);
}

TEST(Candidates, HugeLogitsStayFinite) {
  Candidates candidates(kernels::select_kernel_table());
  const std::vector<float> logits = {3e38f, -3e38f, 2e38f};
  for (const bool as_list : {false, true}) {
    candidates.assign(logits);
    if (as_list) candidates.keep_from(Candidates::kNever);
    candidates.scale(1000.0f);
    EXPECT_EQ(candidates.best_logit(), std::numeric_limits<float>::max());
    const Change change = {0, -3e38f};
    candidates.adjust(std::span<const Change>(&change, 1),
                      [](float logit, const Change& by) { return logit + by.amount; });
    EXPECT_EQ(candidates.draw(0.5).token, 2);
    EXPECT_EQ(candidates.draw(0.5).probability, 1);
  }
}

}  // namespace
}  // namespace minim
