#include "runtime/prompt_lookup.h"

#include <cstddef>

namespace minim {

int64_t look_up(std::span<const TokenId> text, int64_t most, std::vector<TokenId>& guesses) {
  guesses.clear();
  const auto size = static_cast<int64_t>(text.size());
  const TokenId* const last = text.data() + size - 1;
  int64_t best = 0, best_end = 0;  // the match ends before best_end
  for (int64_t end = size - 1; end > best && best < kLookupMatchMax; --end) {
    const TokenId* const other = text.data() + end - 1;
    if (*other != *last) continue;
    int64_t length = 1;
    while (length < end && length < kLookupMatchMax && other[-length] == last[-length]) ++length;
    if (length <= best) continue;
    best = length;
    best_end = end;
  }
  if (best == 0) return 0;
  for (int64_t i = 0; i < most; ++i) {
    const int64_t from = best_end + i;
    guesses.push_back(from < size ? text[static_cast<size_t>(from)]
                                  : guesses[static_cast<size_t>(from - size)]);
  }
  return best;
}

}  // namespace minim
