#include "serve/openai/generated_text.h"

#include <algorithm>
#include <cmath>

#include "serve/engine/extension.h"
#include "text/utf8.h"

namespace minim::serve {
namespace {

double seconds_of(const GenerationStatistics& statistics) {
  return statistics.queue_seconds + statistics.prompt_seconds + statistics.decode_seconds;
}

OrderedJson one_logprob(const Tokenizer& tokenizer, TokenId token, float logprob) {
  OrderedJson bytes = OrderedJson::array();
  for (const char c : tokenizer.token_bytes(token)) bytes.push_back(static_cast<uint8_t>(c));
  return {{"token", token_text(tokenizer, token)},
          {"logprob", finite_logprob(logprob)},
          {"bytes", std::move(bytes)}};
}

}  // namespace

const char* finish_reason(StopReason reason) {
  return reason == StopReason::kTokensMax || reason == StopReason::kContextFull ? "length" : "stop";
}

double finite_logprob(float logprob) {
  return std::isfinite(logprob) ? static_cast<double>(logprob) : -9999.0;
}

std::string token_text(const Tokenizer& tokenizer, TokenId token) {
  return replace_invalid_utf8(tokenizer.token_bytes(token));
}

OrderedJson chat_logprob(const Tokenizer& tokenizer, const GenerationEvent& event) {
  OrderedJson entry = one_logprob(tokenizer, event.token, event.logprob);
  OrderedJson top = OrderedJson::array();
  for (const TokenLogprob& each : event.top_logprobs) {
    top.push_back(one_logprob(tokenizer, each.token, each.logprob));
  }
  entry["top_logprobs"] = std::move(top);
  return entry;
}

void Usage::add(size_t prompt, const GenerationStatistics& statistics) {
  counted_.resize(std::max(counted_.size(), prompt + 1));
  if (!counted_[prompt]) {
    counted_[prompt] = true;
    prompt_tokens_ += statistics.prompt_tokens;
    cached_tokens_ += statistics.reused_tokens;
  }
  generated_tokens_ += statistics.generated_tokens;
  if (statistics.energy) {
    const double before = energy_ ? energy_->joules : 0;
    energy_ = {before + statistics.energy->joules, statistics.energy->source};
  }
  if (seconds_of(statistics) >= seconds_of(slowest_)) slowest_ = statistics;
}

OrderedJson Usage::json() const {
  return {{"prompt_tokens", prompt_tokens_},
          {"completion_tokens", generated_tokens_},
          {"total_tokens", prompt_tokens_ + generated_tokens_},
          {"prompt_tokens_details", {{"cached_tokens", cached_tokens_}, {"audio_tokens", 0}}},
          {"completion_tokens_details",
           {{"reasoning_tokens", 0},
            {"audio_tokens", 0},
            {"accepted_prediction_tokens", 0},
            {"rejected_prediction_tokens", 0}}}};
}

OrderedJson Usage::extension() const { return extension_json(slowest_, energy_); }

}  // namespace minim::serve
