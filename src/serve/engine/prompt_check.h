// Whether texts can fit a model, before much work is done for them.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "serve/engine/served_model.h"

namespace minim::serve {

// Throws Refusal(400, context_length_exceeded) where the prompt leaves no room for an answer.
void check_prompt(const ServedModel& model, size_t tokens, const std::string& param);
// The prompt with what stands behind the gap that is to be filled, the field `param`. Throws
// Refusal(400) where the model was not trained to do so, or it does not fit.
std::vector<TokenId> fill_prompt(const ServedModel& model, const std::vector<TokenId>& prompt,
                                 const std::string& behind, const std::string& param);
// Before a text becomes tokens: one that can never fit.
void check_text_size(const ServedModel& model, size_t bytes, const std::string& param);

}  // namespace minim::serve
