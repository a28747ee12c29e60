// A byte-level BPE vocabulary as tokenizer.json, the file that Hugging Face's tokenizers read.
#pragma once

#include <string>

#include "text/vocabulary.h"

namespace minim {

// Throws kUnsupported for a vocabulary of another kind. The chat template is no part of this file:
// it belongs into tokenizer_config.json.
std::string format_tokenizer_json(const Vocabulary& vocabulary);

}  // namespace minim
