// Texts with a gap: what stands before it and behind it, in the order and between the tokens that a
// model was trained with (Bavarian et al. 2022, arXiv 2207.14255: prefix, suffix, middle).
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "formats/metadata.h"
#include "text/tokenizer.h"

namespace minim::serve {

// The tokens before the prefix, before the suffix, and before what is to be written.
struct FillTokens {
  TokenId prefix = 0;
  TokenId suffix = 0;
  TokenId middle = 0;
};

// As the file says (tokenizer.ggml.fim_pre_token_id, fim_suf_token_id, fim_mid_token_id, and their
// older names), or by the names of tokens that families of models use. Nothing where the model has
// none. Throws kFormat for ids outside the vocabulary.
std::optional<FillTokens> find_fill_tokens(const Metadata& metadata, const Tokenizer& tokenizer);

// `before` begins with the token that every text begins with, where the vocabulary has one.
std::vector<TokenId> fill_prompt(const FillTokens& fill, const Tokenizer& tokenizer,
                                 const std::vector<TokenId>& before, std::string_view behind);

}  // namespace minim::serve
