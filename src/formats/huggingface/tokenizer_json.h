// tokenizer.json of Hugging Face to a Vocabulary.
#pragma once

#include <string_view>

#include "text/vocabulary.h"

namespace minim {

// BPE over bytes, BPE over characters with byte fallback (as Llama 2 and Gemma have), Unigram and
// WordPiece. `bos`, `eos` and their flags are those of the post-processor; tokenizer_config.json
// knows more (tokenizer_config.h). Ids that no token has are filled with unused tokens "[PAD7]".
// Throws kFormat for a file that breaks its own format, kUnsupported naming a component that is
// not known or that a Vocabulary cannot express, kLimit.
Vocabulary read_tokenizer_json(std::string_view text);

// Whether other readers would take a token for a control token although no file marks it as one.
bool looks_special(std::string_view token);

}  // namespace minim
