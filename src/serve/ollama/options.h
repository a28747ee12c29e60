// What requests to Ollama's API say about the model and how it generates.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "serve/call.h"
#include "serve/engine/chat_plan.h"
#include "serve/request/fields.h"

namespace minim::serve {

// "name:latest" is "name", as clients write it.
std::string ollama_model_id(Fields& fields);

// The field options: temperature, top_k, top_p, min_p, seed, num_predict, stop, repeat_penalty,
// repeat_last_n, presence_penalty, frequency_penalty; Ollama's defaults where they are not given.
// What concerns memory and threads is the server's to say, and has no effect.
TextGeneratorOptions read_ollama_options(Fields& fields, const ServedModel& model,
                                         const GenerationLimits& limits);

// The field format: "json", or a JSON schema.
std::optional<AnswerFormat> read_ollama_format(Fields& fields);

// The field keep_alive: read, and without effect.
void ignore_keep_alive(Fields& fields);

// "2024-01-31T12:00:00Z"
std::string rfc3339(int64_t seconds_since_1970);

}  // namespace minim::serve
