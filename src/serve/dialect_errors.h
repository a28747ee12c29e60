// A refusal as the body of a response, in the form of each dialect.
#pragma once

#include <string>

#include "serve/request/refusal.h"

namespace minim::serve {

// {"error": {"message", "type", "param", "code"}}
std::string openai_error(const Refusal& refusal);
// {"type": "error", "error": {"type", "message"}}
std::string anthropic_error(const Refusal& refusal);
// {"error": "..."}
std::string ollama_error(const Refusal& refusal);

}  // namespace minim::serve
