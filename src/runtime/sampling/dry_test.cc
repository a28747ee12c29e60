// DRY against a direct reading of its definition, which compares each place with each.
#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "kernels/registry.h"
#include "runtime/testing/distribution.h"
#include "text/tokenizer_test_support.h"

namespace minim {
namespace {

using testing::expect_same;
using testing::in_double;
using testing::Logits;

// For each token the length of the longest repetition that it would continue.
std::map<TokenId, int> spec_repetitions(std::span<const TokenId> text,
                                        const std::vector<bool>& breaks) {
  std::map<TokenId, int> lengths;
  const auto n = static_cast<int>(text.size());
  if (n == 0 || breaks[size_t(n - 1)]) return lengths;
  for (int i = 0; i + 1 < n; ++i) {
    int length = 0;
    while (i - length >= 0 && text[size_t(i - length)] == text[size_t(n - 1 - length)] &&
           !breaks[size_t(n - 1 - length)]) {
      ++length;
    }
    const TokenId next = text[size_t(i + 1)];
    if (length > 0 && !breaks[size_t(i + 1)]) lengths[next] = std::max(lengths[next], length);
  }
  return lengths;
}

Logits spec_dry(Logits logits, std::span<const TokenId> text, const std::vector<bool>& breaks,
                const DryOptions& options) {
  for (const auto& [token, length] : spec_repetitions(text, breaks)) {
    if (length < options.allowed_length) continue;
    logits[size_t(token)] -= double{options.multiplier} *
                             std::pow(double{options.base}, length - options.allowed_length);
  }
  return logits;
}

TEST(Dry, ByHand) {
  const DryOptions options = {.multiplier = 0.5f, .base = 2, .allowed_length = 2, .breakers = {}};
  const auto step = make_dry(options, nullptr);
  const std::vector<float> logits(6, 0.0f);
  const auto run = [&](std::vector<TokenId> text) {
    Candidates candidates(kernels::select_kernel_table());
    candidates.assign(logits);
    Rng rng(1);
    make_dry(options, nullptr)->apply(candidates, {.tokens = std::move(text)}, rng);
    std::vector<float> result(6);
    for (const Candidate& c : candidates.find_from(Candidates::kNever)) {
      result[size_t(c.token)] = c.logit;
    }
    return result;
  };
  // 1 2 3 .. 1 2: the 3 would continue a repetition of two tokens.
  EXPECT_EQ(run({1, 2, 3, 4, 1, 2}), (std::vector<float>{0, 0, 0, -0.5f, 0, 0}));
  // 5 1 2 .. 5 1 2: of three.
  EXPECT_EQ(run({5, 1, 2, 3, 4, 5, 1, 2}), (std::vector<float>{0, 0, 0, -1, 0, 0}));
  // One token is allowed to repeat.
  EXPECT_EQ(run({2, 3, 4, 2}), std::vector<float>(6, 0.0f));
  // A run may overlap itself: the fourth 1 would repeat two.
  EXPECT_EQ(run({1, 1, 1}), (std::vector<float>{0, -0.5f, 0, 0, 0, 0}));
  EXPECT_EQ(run({}), std::vector<float>(6, 0.0f));
}

TEST(Dry, RandomTexts) {
  Rng rng(3);
  for (const int window : {-1, 1, 20, 70}) {
    for (const int allowed : {1, 2, 5}) {
      for (const bool as_list : {false, true}) {
        const DryOptions options = {.multiplier = 0.8f,
                                    .base = 1.2f,
                                    .allowed_length = allowed,
                                    .window = window,
                                    .breakers = {}};
        const auto step = make_dry(options, nullptr);
        TokenHistory history;
        for (int i = 0; i < 150; ++i) {
          const auto logits = testing::random_logits(rng, 3);
          Candidates candidates(kernels::select_kernel_table());
          candidates.assign(logits);
          if (as_list) candidates.keep_from(Candidates::kNever);
          step->apply(candidates, history, rng);
          const auto text = history.last(window);
          expect_same(candidates,
                      spec_dry(in_double(logits), text, std::vector<bool>(text.size()), options));
          if (::testing::Test::HasFatalFailure()) return;
          history.tokens.push_back(TokenId(rng.below(3)));
        }
      }
    }
  }
}

// A breaker counts wherever it is cut: "h", "the" and "t" "h" all end one of "h" and "th".
TEST(Dry, BreakersAreFoundAcrossTokens) {
  const auto tokenizer = Tokenizer::make(testing::byte_bpe_vocabulary());
  std::vector<TokenId> tokens;
  for (const char* name : {"t", "h", "e", "a", "th", "the", "aa", "<|end|>"}) {
    tokens.push_back(*tokenizer->find(name));
  }
  const DryOptions options = {
      .multiplier = 0.7f, .base = 1.3f, .allowed_length = 1, .breakers = {"eth", "aaa"}};
  const auto step = make_dry(options, tokenizer);
  Rng rng(9);
  TokenHistory history;
  std::string text;
  std::vector<bool> breaks;
  for (int i = 0; i < 400; ++i) {
    const auto logits = testing::random_logits(rng, size_t(tokenizer->size()));
    Candidates candidates(kernels::select_kernel_table());
    candidates.assign(logits);
    step->apply(candidates, history, rng);
    expect_same(candidates, spec_dry(in_double(logits), history.tokens, breaks, options));
    if (::testing::Test::HasFatalFailure()) return;
    const TokenId token = tokens[rng.below(tokens.size())];
    history.tokens.push_back(token);
    // A break: a breaker ends past what was there, or the token is no text.
    const size_t old_bytes = text.size();
    if (tokenizer->is_special(token)) {
      text.clear();
      breaks.push_back(true);
      continue;
    }
    text += tokenizer->token_bytes(token);
    bool found = false;
    for (const std::string& breaker : options.breakers) {
      for (size_t at = text.find(breaker); at != std::string::npos;
           at = text.find(breaker, at + 1)) {
        found |= at + breaker.size() > old_bytes;
      }
    }
    breaks.push_back(found);
  }
  EXPECT_GT(std::count(breaks.begin(), breaks.end(), true), 20);
}

TEST(Dry, AnEndlessRepetitionStaysFinite) {
  const auto step = make_dry({.multiplier = 100, .base = 100, .breakers = {}}, nullptr);
  TokenHistory history;
  history.tokens.assign(5000, 1);
  const std::vector<float> logits = {0, 50};
  Candidates candidates(kernels::select_kernel_table());
  candidates.assign(logits);
  Rng rng(1);
  step->apply(candidates, history, rng);
  EXPECT_EQ(candidates.best().token, 0);
  EXPECT_EQ(candidates.count(), 2);
}

}  // namespace
}  // namespace minim
