#include "runtime/sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <map>

#include "base/error.h"
#include "model/testing/sequence.h"
#include "runtime/sampling/option_table.h"
#include "runtime/testing/distribution.h"
#include "text/tokenizer_test_support.h"

namespace minim {
namespace {

using testing::ModelTestContext;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// All truncation off, so that only what a test switches on is at work.
SamplerOptions plain(float temperature = 1.0f) {
  return {.temperature = temperature, .top_k = 0, .top_p = 1.0f, .min_p = 0.0f, .seed = 1};
}

std::map<int32_t, int> histogram(const SamplerOptions& options, std::span<const float> logits,
                                 int draws) {
  const ModelTestContext context(1);
  Sampler sampler(*context, options);
  std::map<int32_t, int> counts;
  for (int i = 0; i < draws; ++i) {
    const TokenId token = sampler.sample(logits);
    sampler.accept(token);
    ++counts[token];
  }
  return counts;
}

TEST(Sampler, GreedyTakesTheFirstOfEquals) {
  const ModelTestContext context(1);
  Sampler sampler(*context, plain(0));
  EXPECT_EQ(sampler.sample(std::vector<float>{1, 3, 3, 2}), 1);
  EXPECT_EQ(sampler.sample(std::vector<float>{kNan, -kInfinity, -1, kNan}), 2);
  std::vector<float> many(1000, -1.0f);
  many[300] = many[301] = many[700] = 2;
  EXPECT_EQ(sampler.sample(many), 300);
  EXPECT_EQ(most_probable(many), 300);
}

TEST(Sampler, DrawsInProportionToProbability) {
  const std::vector<float> logits = {std::log(0.5f), std::log(0.3f), std::log(0.2f)};
  constexpr int kDraws = 100'000;
  const auto counts = histogram(plain(), logits, kDraws);
  // Four standard deviations of a binomial with p = 0.5 are 0.0063.
  EXPECT_NEAR(counts.at(0) / double{kDraws}, 0.5, 0.0064);
  EXPECT_NEAR(counts.at(1) / double{kDraws}, 0.3, 0.0064);
  EXPECT_NEAR(counts.at(2) / double{kDraws}, 0.2, 0.0064);
}

TEST(Sampler, TemperatureSharpens) {
  const std::vector<float> logits = {0.0f, std::log(0.5f)};
  constexpr int kDraws = 100'000;
  // At temperature 1/2 the odds 2:1 become 4:1.
  const auto counts = histogram(plain(0.5f), logits, kDraws);
  EXPECT_NEAR(counts.at(0) / double{kDraws}, 0.8, 0.0064);
}

TEST(Sampler, TopKKeepsTheBest) {
  SamplerOptions options = plain(10.0f);
  options.top_k = 2;
  const auto counts = histogram(options, std::vector<float>{1, 5, 3, 4}, 1000);
  EXPECT_EQ(counts.size(), 2u);
  EXPECT_TRUE(counts.contains(1) && counts.contains(3));
}

TEST(Sampler, TopPKeepsTheSmallestSetThatReachesIt) {
  SamplerOptions options = plain();
  options.top_p = 0.75f;
  const std::vector<float> logits = {std::log(0.5f), std::log(0.3f), std::log(0.2f)};
  const auto counts = histogram(options, logits, 1000);
  EXPECT_EQ(counts.size(), 2u);
  EXPECT_FALSE(counts.contains(2));
}

TEST(Sampler, MinPDropsTheImprobable) {
  SamplerOptions options = plain(5.0f);
  options.min_p = 0.5f;
  const std::vector<float> logits = {std::log(0.5f), std::log(0.3f), std::log(0.2f)};
  const auto counts = histogram(options, logits, 1000);
  EXPECT_EQ(counts.size(), 2u);
  EXPECT_FALSE(counts.contains(2));
}

// A chain of everything, drawn from often enough to tell a wrong distribution by its chi-square.
TEST(Sampler, AWholeChainDrawsFromTheDistributionItLeaves) {
  Rng rng(6);
  const auto logits = testing::random_logits(rng, 3000, 1.5f);
  const SamplerOptions options = {.temperature = 1.4f,
                                  .top_k = 60,
                                  .top_p = 0.9f,
                                  .min_p = 0.01f,
                                  .typical_p = 0.97f,
                                  .top_n_sigma = 4,
                                  .penalties = {.repetition = 1.2f, .window = 10},
                                  .seed = 9};
  testing::Logits expected = testing::in_double(logits);
  for (const TokenId token : {5, 17}) {
    double& logit = expected[size_t(token)];
    logit = logit > 0 ? logit / double{1.2f} : logit * double{1.2f};
  }
  expected = testing::spec_top_n_sigma(expected, 4);
  expected = testing::spec_top_k(expected, 60);
  expected = testing::spec_typical(expected, double{0.97f});
  expected = testing::spec_top_p(expected, double{0.9f});
  expected = testing::spec_min_p(expected, double{0.01f});
  expected = testing::spec_temperature(expected, double{1.4f});
  const auto p = testing::distribution(expected);
  ASSERT_GT(p.size(), 20u);

  const ModelTestContext context(1);
  Sampler sampler(*context, options);
  sampler.start(std::vector<TokenId>{5, 17, 5});
  constexpr int kDraws = 50'000;
  std::map<int, int> counts;
  for (int i = 0; i < kDraws; ++i) ++counts[sampler.sample(logits)];  // again at the same place
  double chi_square = 0;
  for (const auto& [token, share] : p) {
    chi_square += std::pow(counts[token] - share * kDraws, 2) / (share * kDraws);
  }
  EXPECT_EQ(counts.size(), p.size()) << "tokens that should have been left out";
  // The chi-square of n degrees of freedom is nearly normal: n + 4 sqrt(2 n) is far out.
  const auto freedom = static_cast<double>(p.size() - 1);
  EXPECT_LT(chi_square, freedom + 4 * std::sqrt(2 * freedom));
}

std::vector<TokenId> choices(Sampler& sampler, std::span<const float> logits, int count) {
  std::vector<TokenId> tokens;
  for (int i = 0; i < count; ++i) {
    tokens.push_back(sampler.sample(logits));
    sampler.accept(tokens.back());
  }
  return tokens;
}

TEST(Sampler, TheSameSeedGivesTheSameChoices) {
  const ModelTestContext context(1);
  const std::vector<float> logits(100, 0.0f);
  SamplerOptions other_options = plain();
  other_options.seed = 2;
  Sampler first(*context, plain());
  Sampler second(*context, plain());
  Sampler other(*context, other_options);
  const auto tokens = choices(first, logits, 100);
  EXPECT_EQ(tokens, choices(second, logits, 100));
  const auto others = choices(other, logits, 100);
  int differences = 0;
  for (size_t i = 0; i < tokens.size(); ++i) differences += tokens[i] != others[i] ? 1 : 0;
  EXPECT_GT(differences, 50);
}

// A text that is taken up again goes on as it would have, and a sampler alone or among others, that
// draws once or again, chooses the same.
TEST(Sampler, ChoicesDependOnThePlaceInTheText) {
  const ModelTestContext context(1);
  const std::vector<float> logits(100, 0.0f);
  Sampler whole(*context, plain());
  const auto tokens = choices(whole, logits, 20);
  Sampler later(*context, plain());
  later.start(std::span(tokens).first(12));
  later.sample(logits);
  const std::vector<TokenId> rest(tokens.begin() + 13, tokens.end());
  later.accept(tokens[12]);
  EXPECT_EQ(choices(later, logits, 7), rest);
  Sampler again(*context, plain());
  EXPECT_EQ(again.sample(logits), tokens[0]);
  EXPECT_NE(again.sample(logits), again.sample(logits)) << "at one place it draws anew";
}

TEST(Sampler, NeverChoosesWhatIsNotANumber) {
  const std::vector<float> logits = {kNan, 0, kNan, 0, -kInfinity};
  const auto counts = histogram(plain(), logits, 1000);
  EXPECT_EQ(counts.size(), 2u);
  EXPECT_TRUE(counts.contains(1) && counts.contains(3));
  const ModelTestContext context(1);
  Sampler sampler(*context, plain());
  EXPECT_THROW(sampler.sample(std::vector<float>{kNan, kNan}), Error);
  EXPECT_EQ(sampler.sample(std::vector<float>{0, kInfinity, 0}), 1);
}

TEST(Sampler, BiasesAndBans) {
  const std::vector<float> logits = {0, 0, 0, 0};
  SamplerOptions options = plain();
  options.biases = {{3, -kInfinity}, {0, std::log(4.0f)}};
  options.banned_tokens = {2};
  constexpr int kDraws = 20'000;
  const auto counts = histogram(options, logits, kDraws);
  EXPECT_EQ(counts.size(), 2u);
  EXPECT_NEAR(counts.at(0) / double{kDraws}, 0.8, 0.012);  // 4 to 1
  options.banned_tokens = {0, 1, 2};
  const ModelTestContext context(1);
  Sampler sampler(*context, options);
  EXPECT_THROW(sampler.sample(logits), Error);
}

TEST(Sampler, OnlyWhatIsAllowedIsChosen) {
  const ModelTestContext context(1);
  SamplerOptions options = plain();
  options.logprobs = 2;
  Sampler sampler(*context, options);
  const std::vector<float> logits = {std::log(0.4f), std::log(0.3f), std::log(0.2f),
                                     std::log(0.1f)};
  for (int i = 0; i < 50; ++i) {
    const TokenId token = sampler.sample(logits, std::vector<uint64_t>{0b1010});
    EXPECT_TRUE(token == 1 || token == 3);
    // Log-probabilities are the model's, of what is not allowed too.
    EXPECT_EQ(sampler.top_logprobs()[0].token, 0);
    EXPECT_NEAR(sampler.chosen_logprob().logprob, token == 1 ? std::log(0.3) : std::log(0.1), 1e-5);
    sampler.accept(token);
  }
  EXPECT_THROW(sampler.sample(logits, std::vector<uint64_t>{0}), Error);
}

TEST(Sampler, LogprobsAreTheModels) {
  const ModelTestContext context(1);
  Rng rng(8);
  const auto logits = testing::random_logits(rng, 2000);
  const auto p = testing::distribution(testing::in_double(logits));
  const auto order = testing::by_logit(testing::in_double(logits));
  for (const int wanted : {0, 1, 5, 20}) {
    SamplerOptions options = {.temperature = 1.7f, .top_k = 3, .seed = 4, .logprobs = wanted};
    options.penalties.repetition = 1.5f;
    options.biases = {{order[0], -50.0f}};
    Sampler sampler(*context, options);
    sampler.start(std::span<const TokenId>(order).first(30));
    for (int i = 0; i < 10; ++i) {
      const TokenId token = sampler.sample(logits);
      sampler.accept(token);
      EXPECT_EQ(sampler.chosen_logprob().token, token);
      EXPECT_NEAR(sampler.chosen_logprob().logprob, std::log(p.at(token)), 1e-5);
      ASSERT_EQ(sampler.top_logprobs().size(), static_cast<size_t>(wanted));
      for (size_t n = 0; n < static_cast<size_t>(wanted); ++n) {
        EXPECT_EQ(sampler.top_logprobs()[n].token, order[n]);
        EXPECT_NEAR(sampler.top_logprobs()[n].logprob, std::log(p.at(order[n])), 1e-5);
      }
    }
  }
}

class SamplerOfTokensTest : public ::testing::Test {
 protected:
  ModelTestContext context_{1};
  std::shared_ptr<const Tokenizer> tokenizer_ = Tokenizer::make(testing::byte_bpe_vocabulary());
  TokenId end_ = *tokenizer_->find("<|end|>");
  std::vector<float> logits_ = std::vector<float>(size_t(tokenizer_->size()), -20.0f);
};

TEST_F(SamplerOfTokensTest, TheEndComesNoSoonerThanAllowed) {
  logits_[size_t(end_)] = 20;
  SamplerOptions options = plain(0);
  options.tokens_min = 5;
  Sampler sampler(*context_, options, tokenizer_);
  sampler.start(std::vector<TokenId>(30, 65));
  const auto tokens = choices(sampler, logits_, 6);
  EXPECT_EQ(std::count(tokens.begin(), tokens.end(), end_), 1);
  EXPECT_EQ(tokens[5], end_);
  options.ignore_end = true;
  Sampler endless(*context_, options, tokenizer_);
  const auto more = choices(endless, logits_, 20);
  EXPECT_EQ(std::count(more.begin(), more.end(), end_), 0);
}

TEST_F(SamplerOfTokensTest, BannedTextsNeverComeAbout) {
  for (const char* name : {"t", "h", "e", "th", "the", "a", "aa"}) {
    logits_[size_t(*tokenizer_->find(name))] = 2;
  }
  SamplerOptions options = plain();
  options.banned_texts = {"the", "aaa", "eh"};
  Sampler sampler(*context_, options, tokenizer_);
  sampler.start(tokenizer_->encode("th"));
  const std::string text = "th" + tokenizer_->decode(choices(sampler, logits_, 500));
  for (const std::string& banned : options.banned_texts) {
    EXPECT_EQ(text.find(banned), std::string::npos) << banned;
  }
  EXPECT_NE(text.find("aa"), std::string::npos);
  EXPECT_NE(text.find("th"), std::string::npos);
}

// Models have more rows than their vocabulary has tokens, to fill whole tiles.
TEST_F(SamplerOfTokensTest, IdsWithoutATokenAreNeverChosen) {
  Sampler sampler(*context_, plain(0), tokenizer_);
  logits_[7] = 1;
  logits_.resize(logits_.size() + 100, 30.0f);
  EXPECT_EQ(sampler.sample(logits_), 7);
}

TEST_F(SamplerOfTokensTest, TokensThatDoNotExistAreRefused) {
  for (const TokenId bad : {-1, tokenizer_->size(), std::numeric_limits<TokenId>::max()}) {
    SamplerOptions options;
    options.banned_tokens = {bad};
    EXPECT_THROW(Sampler(*context_, options, tokenizer_), Error);
    options = {};
    options.biases = {{bad, 1}};
    EXPECT_THROW(Sampler(*context_, options, tokenizer_), Error);
  }
  for (const float bad : {kNan, kInfinity}) {
    SamplerOptions options;
    options.biases = {{1, bad}};
    EXPECT_THROW(Sampler(*context_, options, tokenizer_), Error);
  }
  SamplerOptions options;
  options.biases = {{1, 1}, {1, 2}};
  EXPECT_THROW(Sampler(*context_, options, tokenizer_), Error);
}

TEST(Sampler, OptionsThatNeedATokenizerSaySo) {
  const ModelTestContext context(1);
  for (const SamplerOptions& options :
       {SamplerOptions{.dry = {.multiplier = 1}}, SamplerOptions{.banned_texts = {"x"}},
        SamplerOptions{.tokens_min = 1}, SamplerOptions{.ignore_end = true}}) {
    EXPECT_THROW(Sampler(*context, options), Error);
  }
}

// Every number of the table, set to every kind of nonsense: refused, and by name.
TEST(Sampler, RefusesOptionsThatMakeNoSense) {
  const ModelTestContext context(1);
  const auto expect_refused = [&](const SamplerOptions& options, const char* name) {
    try {
      Sampler sampler(*context, options);
      ADD_FAILURE() << name << " was accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
      const std::string begin = std::string("sampler: ") + name + " ";
      EXPECT_EQ(std::string(error.what()).substr(0, begin.size()), begin);
    }
  };
  int numbers = 0;
  for (const SamplerOptionRow& row : sampler_option_rows()) {
    std::visit(
        [&](auto field) {
          SamplerOptions options;
          auto& value = field(options);
          using Value = std::remove_reference_t<decltype(value)>;
          if constexpr (std::is_same_v<Value, float>) {
            ++numbers;
            for (const float bad : {kNan, kInfinity, -kInfinity, 1e9f, -1e9f}) {
              value = bad;
              expect_refused(options, row.name);
            }
          } else if constexpr (std::is_same_v<Value, int> || std::is_same_v<Value, int64_t>) {
            ++numbers;
            value = std::numeric_limits<Value>::min();
            expect_refused(options, row.name);
          } else if constexpr (std::is_same_v<Value, std::vector<std::string>>) {
            ++numbers;
            value = {"fine", ""};
            expect_refused(options, row.name);
            value = {std::string(2000, 'x')};
            expect_refused(options, row.name);
          }
        },
        row.field);
  }
  EXPECT_EQ(numbers, 25);
  EXPECT_THROW(Sampler(*context, {.top_p = 0}), Error);
  EXPECT_THROW(Sampler(*context, {.penalties = {.repetition = 0}}), Error);
  EXPECT_THROW(Sampler(*context, {.mirostat = {.version = 3}}), Error);
}

}  // namespace
}  // namespace minim
