// Penalties against counting anew for each token.
#include <gtest/gtest.h>

#include "kernels/registry.h"
#include "runtime/testing/distribution.h"

namespace minim {
namespace {

using testing::expect_same;
using testing::in_double;
using testing::Logits;

Logits spec_penalties(Logits logits, const TokenHistory& history, const PenaltyOptions& options) {
  std::map<TokenId, int> counts;
  const size_t end = history.tokens.size();
  for (size_t i = options.generated_only ? history.prompt_tokens : 0; i < end; ++i) {
    const bool in_window = options.window < 0 || end - i <= static_cast<size_t>(options.window);
    if (in_window) ++counts[history.tokens[i]];
  }
  for (const auto& [token, count] : counts) {
    double& logit = logits[size_t(token)];
    if (logit == testing::kGone) continue;
    logit = logit > 0 ? logit / options.repetition : logit * options.repetition;
    logit -= options.presence + options.frequency * count;
  }
  return logits;
}

TEST(Penalties, ByHand) {
  const auto step = make_penalties({.repetition = 2, .presence = 1, .frequency = 0.5f});
  const std::vector<float> logits = {4, -1, 3, 0};
  Candidates candidates(kernels::select_kernel_table());
  candidates.assign(logits);
  Rng rng(1);
  step->apply(candidates, {.tokens = {0, 1, 0}}, rng);
  // Token 0: 4 / 2 - 1 - 2 * 0.5; token 1: -1 * 2 - 1 - 0.5.
  expect_same(candidates, {0, -3.5, 3, 0});
}

TEST(Penalties, FollowTheWindow) {
  Rng rng(11);
  for (const int window : {-1, 1, 7, 64}) {
    for (const bool generated_only : {false, true}) {
      for (const bool as_list : {false, true}) {
        SCOPED_TRACE(::testing::Message() << "window " << window << generated_only << as_list);
        const PenaltyOptions options = {.repetition = 1.3f,
                                        .presence = 0.2f,
                                        .frequency = -0.1f,
                                        .window = window,
                                        .generated_only = generated_only};
        const auto step = make_penalties(options);
        TokenHistory history;
        for (int i = 0; i < 30; ++i) history.tokens.push_back(TokenId(rng.below(20)));
        history.prompt_tokens = 30;
        for (int i = 0; i < 100; ++i) {
          const auto logits = testing::random_logits(rng, 20);
          Candidates candidates(kernels::select_kernel_table());
          candidates.assign(logits);
          if (as_list) candidates.keep_from(Candidates::kNever);
          step->apply(candidates, history, rng);
          expect_same(candidates, spec_penalties(in_double(logits), history, options));
          if (::testing::Test::HasFatalFailure()) return;
          // Now and then several tokens come at once.
          for (uint64_t n = rng.below(3); n > 0; --n) {
            history.tokens.push_back(TokenId(rng.below(20)));
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace minim
