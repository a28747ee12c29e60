// The endpoints of Ollama's API: streams are lines of JSON. Each responds itself, or throws a
// Refusal.
#pragma once

#include "serve/call.h"

namespace minim::serve {

void ollama_chat(const Call& call);      // POST /api/chat
void ollama_generate(const Call& call);  // POST /api/generate
void ollama_embed(const Call& call);     // POST /api/embed
void ollama_tags(const Call& call);      // GET /api/tags
void ollama_show(const Call& call);      // POST /api/show
void ollama_ps(const Call& call);        // GET /api/ps
void ollama_version(const Call& call);   // GET /api/version

}  // namespace minim::serve
