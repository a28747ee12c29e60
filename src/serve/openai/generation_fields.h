// The fields that requests for chat and for plain completions share: how tokens are chosen, when a
// text ends, and how it is sent.
#pragma once

#include <cstdint>
#include <string>

#include "runtime/text_generator.h"
#include "serve/call.h"
#include "serve/request/fields.h"
#include "serve/request/generation_numbers.h"

namespace minim::serve {

struct StreamFields {
  bool stream = false;
  bool include_usage = false;
};
StreamFields read_stream(Fields& fields);

// temperature, top_p, seed, presence_penalty, frequency_penalty, logit_bias, stop; and by name what
// other servers add: top_k, min_p, repetition_penalty. A text is a draw from the model's own
// distribution where nothing is given. Without a seed, one is drawn.
TextGeneratorOptions read_sampling(Fields& fields, const Tokenizer& tokenizer,
                                   const GenerationLimits& limits);

// The texts that one prompt asks for, with the seeds of each: seed, seed + 1, ...
int64_t read_count(Fields& fields, const GenerationLimits& limits);

// Fields that say nothing about the text: user, metadata, service_tier and the like.
void ignore_labels(Fields& fields);
// The field store: these answers are not kept.
void refuse_to_store(Fields& fields);

}  // namespace minim::serve
