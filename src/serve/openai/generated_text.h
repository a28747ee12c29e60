// What is told of a generated text beside the text: log-probabilities, why it ended, what it took.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "runtime/generation_event.h"
#include "text/tokenizer.h"

namespace minim::serve {

// "stop" or "length".
const char* finish_reason(StopReason reason);

// A log-probability that JSON can hold: minus infinity as -9999.
double finite_logprob(float logprob);
// The token as text: U+FFFD for bytes that are no character.
std::string token_text(const Tokenizer& tokenizer, TokenId token);
// {"token", "logprob", "bytes", "top_logprobs": [...]}, as chat completions have it.
OrderedJson chat_logprob(const Tokenizer& tokenizer, const GenerationEvent& event);

// Counts of all texts of a request.
class Usage {
 public:
  // `prompt`: which one the text continues; several texts may continue the same.
  void add(size_t prompt, const GenerationStatistics& statistics);

  // {"prompt_tokens", "completion_tokens", "total_tokens", "prompt_tokens_details": ...}
  OrderedJson json() const;
  // extension_json(), with the times of the text that took longest.
  OrderedJson extension() const;

  int64_t prompt_tokens() const { return prompt_tokens_; }
  int64_t cached_tokens() const { return cached_tokens_; }
  int64_t generated_tokens() const { return generated_tokens_; }

 private:
  std::vector<bool> counted_;  // prompts
  int64_t prompt_tokens_ = 0;
  int64_t cached_tokens_ = 0;
  int64_t generated_tokens_ = 0;
  std::optional<Energy> energy_;
  GenerationStatistics slowest_;
};

}  // namespace minim::serve
