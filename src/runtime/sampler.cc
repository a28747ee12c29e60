#include "runtime/sampler.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "base/error.h"
#include "runtime/sampling/candidates.h"
#include "runtime/sampling/option_table.h"
#include "runtime/sampling/step.h"
#include "runtime/sampling/text_bans.h"
#include "runtime/sampling/token_history.h"

namespace minim {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

void sort_unique(std::vector<TokenId>& tokens) {
  std::sort(tokens.begin(), tokens.end());
  tokens.erase(std::unique(tokens.begin(), tokens.end()), tokens.end());
}

bool needs_tokenizer(const SamplerOptions& options) {
  return !options.banned_texts.empty() || options.tokens_min > 0 || options.ignore_end ||
         (options.dry.multiplier > 0 && !options.dry.breakers.empty());
}

}  // namespace

int32_t most_probable(std::span<const float> logits) {
  int32_t best = -1;
  for (size_t i = 0; i < logits.size(); ++i) {
    if (std::isnan(logits[i])) continue;
    if (best < 0 || logits[i] > logits[static_cast<size_t>(best)]) best = static_cast<int32_t>(i);
  }
  if (best < 0) {
    throw Error(ErrorCode::kInvalidArgument,
                "sampler: no logit is a number; the model's weights may be damaged");
  }
  return best;
}

Sampler::Sampler(const Context& context, SamplerOptions options,
                 std::shared_ptr<const Tokenizer> tokenizer)
    : options_(std::move(options)),
      tokenizer_(std::move(tokenizer)),
      candidates_(std::make_unique<Candidates>(context.kernels)),
      history_(std::make_unique<TokenHistory>()),
      rng_(options_.seed) {
  check_sampler_options(options_);
  if (needs_tokenizer(options_) && tokenizer_ == nullptr) {
    throw Error(ErrorCode::kInvalidArgument,
                "sampler: banned texts, breakers of DRY and bans of the end need a tokenizer");
  }
  check_tokens();
  steps_ = make_steps(options_, tokenizer_);
  find_fixed_bans();
  reseed();
}

Sampler::~Sampler() = default;
Sampler::Sampler(Sampler&&) noexcept = default;

void Sampler::check_tokens() const {
  const auto check = [this](const char* option, TokenId token) {
    const bool known = tokenizer_ == nullptr || token < tokenizer_->size();
    if (token >= 0 && known) return;
    throw Error(
        ErrorCode::kInvalidArgument,
        fmt::format("sampler: {} names token {}, which is not in the vocabulary{}", option, token,
                    tokenizer_ == nullptr ? "" : fmt::format(" of {}", tokenizer_->size())));
  };
  for (const TokenId token : options_.banned_tokens) check("ban-token", token);
  for (const LogitBias& bias : options_.biases) {
    check("logit-bias", bias.token);
    if (!std::isnan(bias.bias) && bias.bias != kInfinity) continue;
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("sampler: logit-bias of token {} is {}, but must be a number, or -inf "
                            "to ban it",
                            bias.token, bias.bias));
  }
}

// Bans that hold everywhere, and biases by token, one for each.
void Sampler::find_fixed_bans() {
  bans_ = options_.banned_tokens;
  auto& biases = options_.biases;
  std::stable_sort(biases.begin(), biases.end(),
                   [](const LogitBias& a, const LogitBias& b) { return a.token < b.token; });
  for (size_t i = 1; i < biases.size(); ++i) {
    if (biases[i].token != biases[i - 1].token) continue;
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("sampler: logit-bias names token {} twice", biases[i].token));
  }
  for (const LogitBias& bias : biases) {
    if (bias.bias == -kInfinity) bans_.push_back(bias.token);
  }
  std::erase_if(biases, [](const LogitBias& bias) { return bias.bias == -kInfinity; });
  sort_unique(bans_);
  end_bans_ = bans_;
  if (options_.tokens_min > 0 || options_.ignore_end) {
    for (TokenId token = 0; token < tokenizer_->size(); ++token) {
      if (tokenizer_->ends_generation(token)) end_bans_.push_back(token);
    }
    sort_unique(end_bans_);
  }
  if (options_.ignore_end) bans_ = end_bans_;
  if (!options_.banned_texts.empty()) {
    text_bans_ = std::make_unique<TextBans>(tokenizer_, options_.banned_texts);
  }
}

// Each place in a text has random numbers of its own, so that a text that is taken up again goes on
// as it would have.
void Sampler::reseed() { rng_ = Rng(mix_bits(options_.seed) ^ mix_bits(~history_->tokens.size())); }

void Sampler::start(std::span<const TokenId> prompt) {
  MINIM_CHECK(history_->tokens.empty());
  history_->tokens.assign(prompt.begin(), prompt.end());
  history_->prompt_tokens = prompt.size();
  if (text_bans_ != nullptr) {
    for (const TokenId token : prompt) text_bans_->append(token);
  }
  reseed();
}

void Sampler::accept(TokenId token) {
  history_->tokens.push_back(token);
  if (text_bans_ != nullptr) text_bans_->append(token);
  for (const auto& step : steps_) step->accept(token);
  reseed();
}

void Sampler::apply_bans() {
  const auto generated = static_cast<int64_t>(history_->tokens.size() - history_->prompt_tokens);
  const auto& fixed = generated < options_.tokens_min ? end_bans_ : bans_;
  if (text_bans_ == nullptr) {
    candidates_->remove(fixed);
    return;
  }
  bans_now_ = fixed;
  text_bans_->find(bans_now_);
  sort_unique(bans_now_);
  candidates_->remove(bans_now_);
}

// The logits of tokens that the tokenizer has.
std::span<const float> Sampler::known(std::span<const float> logits) const {
  if (tokenizer_ == nullptr) return logits;
  return logits.first(std::min(logits.size(), static_cast<size_t>(tokenizer_->size())));
}

TokenId Sampler::sample(std::span<const float> logits, std::span<const uint64_t> allowed) {
  logits = known(logits);
  candidates_->assign(logits);
  const double log_sum = options_.logprobs >= 0 ? find_logprobs() : 0;
  if (!allowed.empty()) candidates_->retain(allowed);
  apply_bans();
  if (candidates_->empty()) {
    throw Error(ErrorCode::kInvalidArgument,
                "sampler: no token is left to choose; bans and constraints exclude all of them");
  }
  candidates_->adjust(std::span<const LogitBias>(options_.biases),
                      [](float logit, const LogitBias& bias) { return logit + bias.bias; });
  for (const auto& step : steps_) step->apply(*candidates_, *history_, rng_);
  const Draw draw = candidates_->draw(static_cast<double>(rng_.next() >> 11) * 0x1p-53);
  for (const auto& step : steps_) step->drawn(draw);
  if (options_.logprobs >= 0) set_chosen(logits, draw.token, log_sum);
  return draw.token;
}

void Sampler::observe(std::span<const float> logits, TokenId token) {
  if (options_.logprobs < 0) return;
  logits = known(logits);
  candidates_->assign(logits);
  set_chosen(logits, token, find_logprobs());
}

void Sampler::set_chosen(std::span<const float> logits, TokenId token, double log_sum) {
  // Infinite logits count as 0 where there are any (Candidates::assign).
  const float logit = logits[static_cast<size_t>(token)];
  const double counted = logit == kInfinity ? 0.0 : double{logit};
  chosen_logprob_ = {token, static_cast<float>(counted - log_sum)};
}

double Sampler::find_logprobs() {
  const double log_sum = candidates_->log_sum();
  top_logprobs_.clear();
  for (const Candidate& candidate : candidates_->find_best(options_.logprobs)) {
    const double logprob = double{candidate.logit} - log_sum;
    top_logprobs_.push_back({candidate.token, static_cast<float>(logprob)});
  }
  return log_sum;
}

}  // namespace minim
