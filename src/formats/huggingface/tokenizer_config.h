// What stands beside a tokenizer: tokenizer_config.json, added_tokens.json, and the special ids of
// config.json and generation_config.json.
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

// Tokens that a SentencePiece model lacks: added_tokens.json, {"<pad>": 32000}, and
// added_tokens_decoder of tokenizer_config.json, {"32000": {"content": "<pad>", "special": true}}.
// REQUIRES: the vocabulary has scores.
void add_tokens_by_name(const Json& tokens, Vocabulary& vocabulary);
void add_tokens_by_id(const Json& config, Vocabulary& vocabulary);

}  // namespace minim
