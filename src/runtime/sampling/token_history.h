// The tokens that a sequence has so far, as the steps of its sampler see them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "text/tokenizer.h"

namespace minim {

struct TokenHistory {
  std::vector<TokenId> tokens;
  size_t prompt_tokens = 0;  // those at the front that were not generated

  // The last `window` tokens; all for -1.
  std::span<const TokenId> last(int window) const {
    const size_t count =
        window < 0 ? tokens.size() : std::min(tokens.size(), static_cast<size_t>(window));
    return std::span(tokens).last(count);
  }
};

}  // namespace minim
