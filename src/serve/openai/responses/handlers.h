// The endpoints of OpenAI's Responses API. Each responds itself, or throws a Refusal.
#pragma once

#include "serve/call.h"

namespace minim::serve {

void create_response(const Call& call);      // POST /v1/responses
void show_response(const Call& call);        // GET /v1/responses/{response}
void delete_response(const Call& call);      // DELETE /v1/responses/{response}
void cancel_response(const Call& call);      // POST /v1/responses/{response}/cancel
void list_response_input(const Call& call);  // GET /v1/responses/{response}/input_items

}  // namespace minim::serve
