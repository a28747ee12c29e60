// What stands beside tokenizer.json: tokenizer_config.json, special_tokens_map.json's successor;
// generation_config.json; chat templates.
#pragma once

#include <string>

#include "base/json.h"
#include "text/vocabulary.h"

namespace minim {

// Special tokens by name, add_bos_token and its like, add_prefix_space, and the chat template that
// is inline. Throws kFormat for a token that the vocabulary does not have, and where the
// post-processor adds another token than the one named here.
void apply_tokenizer_config(const Json& config, Vocabulary& vocabulary);

// Ids of special tokens from config.json or generation_config.json, where nothing said them yet.
// A list of ids that end a generation gives `eos` and `eot`.
void apply_special_ids(const Json& config, const std::string& origin, Vocabulary& vocabulary);

}  // namespace minim
