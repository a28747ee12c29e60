#include "serve/engine/prompt_check.h"

#include <fmt/core.h>

#include "serve/request/refusal.h"

namespace minim::serve {

void check_text_size(const ServedModel& model, size_t bytes, const std::string& param) {
  if (bytes <= model.text_bytes_max()) return;
  throw Refusal(400,
                fmt::format("'{}' has {} bytes, which cannot fit the context of {} tokens", param,
                            bytes, model.context_tokens()),
                param, "context_length_exceeded");
}

void check_prompt(const ServedModel& model, size_t tokens, const std::string& param) {
  if (tokens == 0) {
    throw Refusal(400, fmt::format("'{}' is empty: there is nothing to continue", param), param,
                  "invalid_value");
  }
  if (static_cast<int64_t>(tokens) < model.context_tokens()) return;
  throw Refusal(
      400,
      fmt::format("'{}' has {} tokens, and the context of this model {}, which the answer "
                  "must fit too",
                  param, tokens, model.context_tokens()),
      param, "context_length_exceeded");
}

std::vector<TokenId> fill_prompt(const ServedModel& model, const std::vector<TokenId>& prompt,
                                 const std::string& behind, const std::string& param) {
  if (!model.fill_tokens()) {
    throw Refusal(
        400,
        fmt::format("'{}' is not supported: the model '{}' has no tokens for texts with a gap",
                    param, model.id()),
        param, "unsupported_parameter");
  }
  check_text_size(model, behind.size(), param);
  auto tokens = fill_prompt(*model.fill_tokens(), *model.tokenizer(), prompt, behind);
  check_prompt(model, tokens.size(), param);
  return tokens;
}

}  // namespace minim::serve
