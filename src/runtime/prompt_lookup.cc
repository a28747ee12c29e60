#include "runtime/prompt_lookup.h"

#include <cstddef>

namespace minim {
namespace {

// Tokens before `end` that are those at the end of the text, `most` at most.
int64_t match_length(std::span<const TokenId> text, int64_t end, int64_t most) {
  const TokenId* const last = text.data() + text.size() - 1;
  const TokenId* const other = text.data() + end - 1;
  int64_t length = 0;
  while (length < end && length < most && other[-length] == last[-length]) ++length;
  return length;
}

}  // namespace

LookupMatch look_up(std::span<const TokenId> text, int64_t most, std::vector<TokenId>& guesses) {
  guesses.clear();
  const auto size = static_cast<int64_t>(text.size());
  LookupMatch best;
  int64_t best_end = 0;
  for (int64_t end = size - 1; end >= 1; --end) {
    const int64_t length = match_length(text, end, kLookupMatchMax);
    if (length == 0 || length < best.length) continue;
    const bool same = length == best.length && best.agrees &&
                      text[static_cast<size_t>(end)] == text[static_cast<size_t>(best_end)];
    best.agrees = length > best.length || same;
    if (length > best.length) best_end = end;
    best.length = length;
  }
  if (best.length == 0) return best;
  for (int64_t i = 0; i < most; ++i) {
    const int64_t from = best_end + i;
    guesses.push_back(from < size ? text[static_cast<size_t>(from)]
                                  : guesses[static_cast<size_t>(from - size)]);
  }
  return best;
}

}  // namespace minim
