#include "runtime/batch_plan.h"

#include <gtest/gtest.h>

#include <map>
#include <numeric>

#include "base/rng.h"
#include "runtime/sequence.h"

namespace minim {
namespace {

constexpr BatchLimits kLimits = {.tokens = 64, .prompt_tokens_beside = 24, .sequences = 8};

BatchCandidate generating(uint64_t arrival, int priority = 0) {
  return {.turn = {.priority = priority, .arrival = arrival}, .generates = true};
}
BatchCandidate reading(int64_t left, uint64_t arrival, int priority = 0) {
  return {.turn = {.priority = priority, .arrival = arrival}, .left = left, .room = 1 << 20};
}

std::map<size_t, int64_t> plan(const std::vector<BatchCandidate>& candidates) {
  std::map<size_t, int64_t> tokens;
  for (const BatchShare& share : plan_batch(candidates, kLimits)) {
    tokens[share.candidate] = share.tokens;
  }
  return tokens;
}

using Shares = std::map<size_t, int64_t>;

TEST(BatchPlan, WithoutOthersAPromptFillsTheBatch) {
  EXPECT_EQ(plan({reading(1000, 0)}), (Shares{{0, 64}}));
  EXPECT_EQ(plan({reading(10, 0)}), (Shares{{0, 10}}));
  EXPECT_EQ(plan({reading(70, 0)}), (Shares{{0, 61}})) << "the rest is a piece too";
  EXPECT_EQ(plan({}), Shares{});
}

TEST(BatchPlan, BesideOthersAPromptIsReadInSmallPieces) {
  EXPECT_EQ(plan({generating(0), reading(1000, 1)}), (Shares{{0, 1}, {1, 24}}));
  EXPECT_EQ(plan({generating(0), reading(7, 1), reading(1000, 2)}), (Shares{{0, 1}, {1, 7}}))
      << "17 tokens are too few for a piece";
  EXPECT_EQ(plan({generating(0), reading(6, 1), reading(1000, 2)}),
            (Shares{{0, 1}, {1, 6}, {2, 18}}));
}

// Tokens that are certain to follow are computed together where there is room for them.
TEST(BatchPlan, ChosenTokensShareABatch) {
  BatchCandidate ahead = generating(0);
  ahead.left = 8;
  EXPECT_EQ(plan({ahead}), (Shares{{0, 8}}));
  EXPECT_EQ(plan({ahead, generating(1), reading(1000, 2)}), (Shares{{0, 8}, {1, 1}, {2, 24}}));
  std::vector<BatchCandidate> many(7, ahead);
  many.push_back(reading(1000, 9));
  EXPECT_EQ(plan(many), (Shares{{0, 8}, {1, 8}, {2, 8}, {3, 8}, {4, 8}, {5, 5}, {6, 1}, {7, 18}}))
      << "a prompt gets its piece";
}

TEST(BatchPlan, APieceFitsTheContext) {
  BatchCandidate prompt = reading(1000, 0);
  prompt.room = 20;
  EXPECT_EQ(plan({prompt}), (Shares{{0, 20}}));
  prompt.room = 17;
  EXPECT_EQ(plan({prompt}), Shares{}) << "somebody has to make room first";
}

TEST(BatchPlan, HigherPrioritiesComeFirst) {
  EXPECT_EQ(plan({reading(1000, 0), reading(1000, 1, 5), reading(1000, 2, 1)}), (Shares{{1, 64}}));
  std::vector<BatchCandidate> many;
  for (uint64_t i = 0; i < 12; ++i) many.push_back(generating(i, i >= 10 ? 1 : 0));
  const auto shares = plan(many);
  EXPECT_EQ(shares.size(), 8u);
  EXPECT_TRUE(shares.contains(10) && shares.contains(11) && !shares.contains(6));
}

// Whatever comes, pieces can be computed as such, the bounds hold, and everybody gets a turn.
TEST(BatchPlan, NobodyWaitsForEver) {
  Rng rng(3);
  std::vector<BatchCandidate> candidates;
  for (uint64_t i = 0; i < 30; ++i) {
    candidates.push_back(i % 2 == 0 ? generating(i) : reading(1, i));
    candidates.back().turn.priority = static_cast<int>(rng.below(4));
  }
  std::vector<int64_t> waited(candidates.size(), 0);
  for (uint64_t step = 1; step <= 2000; ++step) {
    for (auto& candidate : candidates) {
      if (!candidate.generates && candidate.left == 0) {
        candidate.left = 1 + static_cast<int64_t>(rng.below(200));
      }
      candidate.room = 4096;
      ++candidate.turn.passed_over;
    }
    const auto shares = plan_batch(candidates, kLimits);
    int64_t rows = 0, prompt_rows = 0, generated = 0;
    for (int64_t& steps : waited) ++steps;
    for (const BatchShare& share : shares) {
      BatchCandidate& candidate = candidates[share.candidate];
      rows += share.tokens;
      if (candidate.generates) {
        ++generated;
      } else {
        prompt_rows += share.tokens;
        candidate.left -= share.tokens;
        ASSERT_TRUE(candidate.left == 0 ||
                    (share.tokens >= kPromptTokensMin && candidate.left >= kPromptTokensMin));
      }
      candidate.turn.passed_over = 0;
      candidate.turn.last_served = step;
      waited[share.candidate] = 0;
    }
    ASSERT_FALSE(shares.empty());
    ASSERT_LE(rows, kLimits.tokens);
    ASSERT_LE(shares.size(), static_cast<size_t>(kLimits.sequences));
    if (generated > 0) {
      ASSERT_LE(prompt_rows, kLimits.prompt_tokens_beside);
    }
    for (const int64_t steps : waited) ASSERT_LT(steps, 300);
  }
}

}  // namespace
}  // namespace minim
