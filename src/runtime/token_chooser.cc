#include "runtime/token_chooser.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <utility>

#include "base/error.h"

namespace minim {
namespace {

using Clock = std::chrono::steady_clock;

// Whether some token may be one that the caller does not want, so that none can be taken without
// asking the sampler, which says what it cannot do.
bool has_bans(const SamplerOptions& options) {
  const auto bans = [](const LogitBias& bias) {
    return bias.bias == -std::numeric_limits<float>::infinity();
  };
  return !options.banned_tokens.empty() || !options.banned_texts.empty() ||
         std::any_of(options.biases.begin(), options.biases.end(), bans);
}

}  // namespace

TokenChooser::TokenChooser(const Context& context, std::shared_ptr<const Tokenizer> tokenizer,
                           const GeneratorOptions& options)
    : tokenizer_(std::move(tokenizer)),
      options_(options),
      sampler_(context, options.sampler, tokenizer_) {
  for (const TokenId token : options_.stop_tokens) {
    if (token >= 0 && token < tokenizer_->size()) continue;
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("generator: stop token {} is not in the vocabulary of {}", token,
                            tokenizer_->size()));
  }
  if (options_.constraint == nullptr) return;
  const Tokenizer& its = options_.constraint->tokenizer();
  if (&its != tokenizer_.get() && its.vocabulary().tokens != tokenizer_->vocabulary().tokens) {
    throw Error(ErrorCode::kInvalidArgument,
                "generator: the constraint was made for another vocabulary; make it with the "
                "model's own tokenizer");
  }
  constraint_ = *options_.constraint;
  mask_.resize(constraint_->mask_words());
  find_forced();
}

std::optional<TokenId> TokenChooser::choose(std::span<const float> logits) {
  MINIM_CHECK(!logits.empty() && !full());
  if (finished()) {
    reason_ = StopReason::kEndOfText;
    return std::nullopt;
  }
  const TokenId token = pick(logits);
  if (tokenizer_->ends_generation(token)) {
    reason_ = StopReason::kEndOfText;
    return std::nullopt;
  }
  const auto& stops = options_.stop_tokens;
  if (std::find(stops.begin(), stops.end(), token) != stops.end()) {
    reason_ = StopReason::kStopToken;
    return std::nullopt;
  }
  take(token);
  return token;
}

std::optional<TokenId> TokenChooser::take_forced() {
  const bool needs_logits = options_.sampler.logprobs >= 0 || !options_.fast_forward;
  if (needs_logits || full() || !has_forced()) return std::nullopt;
  const TokenId token = forced_[forced_next_];
  take(token);
  return token;
}

TokenId TokenChooser::pick(std::span<const float> logits) {
  if (!constraint_) return sampler_.sample(logits);
  if (has_forced()) {
    sampler_.observe(logits, forced_[forced_next_]);
    return forced_[forced_next_];
  }
  const auto begin = Clock::now();
  constraint_->allowed(mask_);
  mask_seconds_ += std::chrono::duration<double>(Clock::now() - begin).count();
  return sampler_.sample(logits, mask_);
}

void TokenChooser::take(TokenId token) {
  sampler_.accept(token);
  ++count_;
  if (!constraint_) return;
  const auto begin = Clock::now();
  MINIM_CHECK(constraint_->accept(token));
  if (has_forced()) {
    ++forced_next_;
    ++forced_count_;
  } else {
    find_forced();
  }
  mask_seconds_ += std::chrono::duration<double>(Clock::now() - begin).count();
}

// The tokens that the tokenizer makes of text that must follow, so that the model reads it as it
// learnt to.
void TokenChooser::find_forced() {
  forced_next_ = 0;
  forced_ = has_bans(options_.sampler) ? std::vector<TokenId>() : constraint_->forced_tokens();
}

}  // namespace minim
