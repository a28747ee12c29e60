// The endpoints of OpenAI's API, and a ranking as Jina's and Cohere's APIs have it. Each responds
// itself, or throws a Refusal.
#pragma once

#include "serve/call.h"

namespace minim::serve {

void chat_completions(const Call& call);  // POST /v1/chat/completions
void completions(const Call& call);       // POST /v1/completions
void embeddings(const Call& call);        // POST /v1/embeddings
void moderations(const Call& call);       // POST /v1/moderations
void rerank(const Call& call);            // POST /v1/rerank
void list_models(const Call& call);       // GET /v1/models
void show_model(const Call& call);        // GET /v1/models/{model}

}  // namespace minim::serve
