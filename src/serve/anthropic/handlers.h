// The endpoints of Anthropic's API. Each responds itself, or throws a Refusal.
#pragma once

#include "serve/call.h"

namespace minim::serve {

void messages(const Call& call);      // POST /v1/messages
void count_tokens(const Call& call);  // POST /v1/messages/count_tokens

}  // namespace minim::serve
