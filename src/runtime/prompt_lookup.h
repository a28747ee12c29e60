// Guesses what follows from what followed before: the longest end of a text that stands in it
// earlier too, and the tokens after it there (Saxena, 2023: prompt lookup decoding).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "text/tokenizer.h"

namespace minim {

// More tokens that agree are no more telling.
constexpr int64_t kLookupMatchMax = 16;

// How many tokens at the end of `text` stand earlier too, kLookupMatchMax at most, and in `guesses`
// `most` tokens that followed them there, the latest place of the longest match; where that reaches
// the end of the text, what repeats goes on. 0, and no guesses, where nothing matches.
int64_t look_up(std::span<const TokenId> text, int64_t most, std::vector<TokenId>& guesses);

}  // namespace minim
