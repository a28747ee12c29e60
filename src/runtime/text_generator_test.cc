// Text as events: stop strings wherever tokens are cut, characters in one piece, log-probabilities.
#include "runtime/text_generator.h"

#include <gtest/gtest.h>

#include <cmath>
#include <thread>

#include "base/error.h"
#include "model/testing/sequence.h"
#include "model/testing/tiny_file.h"
#include "tests/support/test_data.h"
#include "text/tokenizer_test_support.h"
#include "text/utf8.h"

namespace minim {
namespace {

// The text before the stop string that is complete first, the longest of several.
std::string text_before_stop(const std::string& text, const std::vector<std::string>& stops) {
  for (size_t end = 1; end <= text.size(); ++end) {
    size_t longest = 0;
    for (const std::string& stop : stops) {
      if (text.substr(0, end).ends_with(stop)) longest = std::max(longest, stop.size());
    }
    if (longest > 0) return text.substr(0, end - longest);
  }
  return text;
}

// Tokens of one to four bytes, so that characters and stop strings are cut in all ways.
TEST(TextOutput, RandomTokensEndAtTheSameTextHoweverTheyAreCut) {
  const auto tokenizer = Tokenizer::make(testing::byte_bpe_vocabulary());
  std::vector<TokenId> tokens;
  for (const char* bytes : {"t", "h", "e", "th", "the", "a", "aaaa", "\xC3\xA9", "\xC3", "\xA9",
                            "\xE6", "\x97", "\xA5", "\xF0", "\x9F", "\x98", "\x80"}) {
    for (const TokenId token : tokenizer->encode(bytes)) tokens.push_back(token);
  }
  const std::vector<std::string> all = {"thé", "eth",
                                        "日",  "日a",
                                        "aaa", "\xF0\x9F\x98\x80",
                                        "éé",  "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD",
                                        "a日"};
  Rng rng(5);
  int stopped = 0;
  for (int round = 0; round < 2000; ++round) {
    std::vector<std::string> stops;
    for (uint64_t n = rng.below(4); n > 0; --n) stops.push_back(all[rng.below(all.size())]);
    TextOutput output(tokenizer, stops);
    std::string got;
    std::vector<TokenId> said;
    for (uint64_t n = rng.below(40); n > 0 && !output.stopped(); --n) {
      // Often what belongs together: é, 日 or an emoji.
      static const std::vector<std::string> kWhole = {"é", "日", "\xF0\x9F\x98\x80"};
      std::vector<TokenId> next = {tokens[rng.below(tokens.size())]};
      if (rng.below(3) == 0) next = tokenizer->encode(kWhole[rng.below(kWhole.size())]);
      for (const TokenId token : next) {
        if (output.stopped()) break;
        said.push_back(token);
        const std::string piece = output.push(token);
        ASSERT_TRUE(is_valid_utf8(piece));
        got += piece;
      }
    }
    if (!output.stopped()) got += output.finish();
    stopped += output.stopped() ? 1 : 0;
    const std::string whole = replace_invalid_utf8(tokenizer->decode(said));
    ASSERT_EQ(got, text_before_stop(whole, stops));
  }
  EXPECT_GT(stopped, 300);
}

class TextGeneratorTest : public ::testing::Test {
 protected:
  struct Outcome {
    std::string text;
    std::vector<TokenId> tokens;
    StopReason reason = StopReason::kRunning;
    std::string stop_string;
  };

  Outcome run(const TextGeneratorOptions& options) {
    Session session(*context_, tiny_.model, {});
    TextGenerator generator(session, tiny_.tokenizer, options);
    generator.start(prompt_);
    Outcome outcome;
    while (const auto event = generator.next()) {
      outcome.text += event->text;
      if (event->kind == GenerationEvent::Kind::kToken) {
        outcome.tokens.push_back(event->token);
      } else {
        outcome.reason = event->reason;
        outcome.stop_string = event->stop_string;
      }
    }
    EXPECT_FALSE(generator.next());
    return outcome;
  }

  static TextGeneratorOptions greedy(int64_t tokens_max) {
    return {
        .generator = {.sampler = {.temperature = 0, .ignore_end = true}, .tokens_max = tokens_max}};
  }

  testing::TemporaryFolder folder_;
  testing::ModelTestContext context_;
  testing::TinyModel tiny_ = testing::make_tiny_model(*context_, folder_.path() / "tiny.gguf");
  std::vector<TokenId> prompt_ = {1, 40, 77, 114, 151};
};

TEST_F(TextGeneratorTest, TheTextIsThatOfTheTokens) {
  const Outcome outcome = run(greedy(30));
  EXPECT_EQ(outcome.tokens.size(), 30u);
  EXPECT_EQ(outcome.reason, StopReason::kTokensMax);
  EXPECT_EQ(outcome.text, replace_invalid_utf8(tiny_.tokenizer->decode(outcome.tokens)));
}

TEST_F(TextGeneratorTest, AnyPartOfTheTextStopsIt) {
  const Outcome whole = run(greedy(25));
  for (size_t begin = 0; begin + 3 < whole.text.size(); begin += 5) {
    const std::string stop = whole.text.substr(begin, 3);
    if (!is_valid_utf8(stop)) continue;
    TextGeneratorOptions options = greedy(25);
    options.stop_strings = {"never said", stop};
    const Outcome outcome = run(options);
    EXPECT_EQ(outcome.text, whole.text.substr(0, whole.text.find(stop)));
    EXPECT_EQ(outcome.reason, StopReason::kStopString);
    EXPECT_EQ(outcome.stop_string, stop);
    // Nothing is generated beyond the token that completed it.
    EXPECT_NE(tiny_.tokenizer->decode(outcome.tokens).find(stop), std::string::npos);
    EXPECT_EQ(tiny_.tokenizer->decode(std::span(outcome.tokens).first(outcome.tokens.size() - 1))
                  .find(stop),
              std::string::npos);
  }
}

TEST_F(TextGeneratorTest, StopTokensEndTheText) {
  const Outcome whole = run(greedy(20));
  TextGeneratorOptions options = greedy(20);
  options.generator.stop_tokens = {whole.tokens[7]};
  const Outcome outcome = run(options);
  const auto first = std::find(whole.tokens.begin(), whole.tokens.end(), whole.tokens[7]);
  EXPECT_EQ(outcome.tokens, std::vector<TokenId>(whole.tokens.begin(), first));
  EXPECT_EQ(outcome.reason, StopReason::kStopToken);
  for (const TokenId bad : {-1, tiny_.tokenizer->size()}) {
    options.generator.stop_tokens = {bad};
    EXPECT_THROW(run(options), Error);
  }
}

TEST_F(TextGeneratorTest, LogprobsComeWithTheirTokens) {
  TextGeneratorOptions options = greedy(12);
  options.generator.sampler.logprobs = 3;
  Session session(*context_, tiny_.model, {});
  TextGenerator generator(session, tiny_.tokenizer, options);
  generator.start(prompt_);
  Session other(*context_, tiny_.model, {});
  std::span<const float> logits = other.append(prompt_);
  const auto logprob = [&](TokenId token) {
    double sum = 0;
    for (const float logit : logits) sum += std::exp(double{logit});
    return double{logits[size_t(token)]} - std::log(sum);
  };
  int tokens = 0;
  while (const auto event = generator.next()) {
    if (event->kind == GenerationEvent::Kind::kDone) {
      EXPECT_TRUE(event->top_logprobs.empty());
      break;
    }
    ++tokens;
    EXPECT_NEAR(event->logprob, logprob(event->token), 1e-4);
    ASSERT_EQ(event->top_logprobs.size(), 3u);
    EXPECT_EQ(event->top_logprobs[0].token, most_probable(logits));
    for (const TokenLogprob& top : event->top_logprobs) {
      EXPECT_NEAR(top.logprob, logprob(top.token), 1e-4);
    }
    logits = other.append({&event->token, 1});
  }
  EXPECT_EQ(tokens, 12);
  EXPECT_EQ(generator.statistics().generated_tokens, 12);
}

// Penalties see what the session read before this prompt.
TEST_F(TextGeneratorTest, TheSamplerKnowsTheWholeConversation) {
  constexpr TokenId kWanted = 200;
  TextGeneratorOptions options = greedy(1);
  options.generator.sampler.biases = {{kWanted, 50}};
  options.generator.sampler.penalties.presence = 100;
  for (const TokenId said_before : {kWanted, kWanted + 1}) {
    Session session(*context_, tiny_.model, {});
    session.append(std::vector<TokenId>{1, said_before, 30});
    TextGenerator generator(session, tiny_.tokenizer, options);
    generator.start(prompt_);
    EXPECT_EQ(generator.next()->token == kWanted, said_before != kWanted);
  }
}

TEST_F(TextGeneratorTest, CanBeCancelledFromAnotherThread) {
  Session session(*context_, tiny_.model, {});
  TextGenerator generator(session, tiny_.tokenizer, greedy(-1));
  generator.start(prompt_);
  ASSERT_TRUE(generator.next());
  std::thread([&] { generator.cancel(); }).join();
  const auto event = generator.next();
  ASSERT_TRUE(event);
  EXPECT_EQ(event->kind, GenerationEvent::Kind::kDone);
  EXPECT_EQ(event->reason, StopReason::kCancelled);
  EXPECT_FALSE(generator.next());

  Session other(*context_, tiny_.model, {});
  TextGenerator early(other, tiny_.tokenizer, greedy(-1));
  early.cancel();
  try {
    early.start(prompt_);
    FAIL() << "went on";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kCancelled);
  }
  EXPECT_EQ(other.length(), 0);
}

}  // namespace
}  // namespace minim
