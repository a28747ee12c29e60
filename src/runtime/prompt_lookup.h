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

struct LookupMatch {
  int64_t length = 0;   // tokens at the end of the text that stand earlier too; 0: none
  bool agrees = false;  // wherever they stand, the same token follows
};
// The longest match, of kLookupMatchMax tokens at most, and in `guesses` `most` tokens that
// followed it at the latest place; where that reaches the end of the text, what repeats goes on.
LookupMatch look_up(std::span<const TokenId> text, int64_t most, std::vector<TokenId>& guesses);

}  // namespace minim
