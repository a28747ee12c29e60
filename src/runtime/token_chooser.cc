#include "runtime/token_chooser.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace minim {

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
}

std::optional<TokenId> TokenChooser::choose(std::span<const float> logits) {
  MINIM_CHECK(!logits.empty() && !full());
  const TokenId token = sampler_.sample(logits);
  if (tokenizer_->ends_generation(token)) {
    reason_ = StopReason::kEndOfText;
    return std::nullopt;
  }
  const auto& stops = options_.stop_tokens;
  if (std::find(stops.begin(), stops.end(), token) != stops.end()) {
    reason_ = StopReason::kStopToken;
    return std::nullopt;
  }
  sampler_.accept(token);
  ++count_;
  return token;
}

}  // namespace minim
