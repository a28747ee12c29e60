#include "runtime/batch_plan.h"

#include <algorithm>
#include <numeric>
#include <tuple>

#include "runtime/sequence.h"

namespace minim {
namespace {

int64_t rank(const Turn& turn) {
  return int64_t{turn.priority} + turn.passed_over / kPassesPerPriority;
}

// Tokens of a prompt where `most` may be computed; 0: too few for a piece.
int64_t piece(const BatchCandidate& prompt, int64_t most) {
  const int64_t tokens = std::min(most, prompt.room);
  if (prompt.left <= tokens) return prompt.left;
  return tokens >= 2 * kPromptTokensMin ? prompt_step(prompt.left, tokens) : 0;
}

}  // namespace

bool Turn::before(const Turn& other) const {
  return std::tuple(-rank(*this), last_served, arrival) <
         std::tuple(-rank(other), other.last_served, other.arrival);
}

std::vector<BatchShare> plan_batch(std::span<const BatchCandidate> candidates,
                                   const BatchLimits& limits) {
  std::vector<size_t> order(candidates.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(),
            [&](size_t a, size_t b) { return candidates[a].turn.before(candidates[b].turn); });
  order.resize(std::min(order.size(), static_cast<size_t>(limits.sequences)));

  std::vector<BatchShare> shares;
  for (const size_t i : order) {
    if (candidates[i].generates) shares.push_back({i, 1});
  }
  int64_t left = limits.tokens - static_cast<int64_t>(shares.size());
  for (BatchShare& share : shares) {
    const int64_t spare = left - 2 * kPromptTokensMin;  // a prompt gets its piece
    const int64_t more = std::clamp<int64_t>(candidates[share.candidate].left - 1, 0, spare);
    share.tokens += more;
    left -= more;
  }
  if (!shares.empty()) left = std::min(left, limits.prompt_tokens_beside);
  for (const size_t i : order) {
    if (candidates[i].generates) continue;
    const int64_t tokens = piece(candidates[i], left);
    if (tokens == 0) continue;
    shares.push_back({i, tokens});
    left -= tokens;
  }
  return shares;
}

}  // namespace minim
