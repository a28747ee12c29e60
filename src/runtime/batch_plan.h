// Which tokens go into the next batch: the next ones of every sequence that generates, then pieces
// of prompts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace minim {

// A turn in a line: higher priorities first, but whoever was passed over often enough moves up, so
// that nobody waits for ever; then who was served longest ago.
struct Turn {
  int priority = 0;
  int64_t passed_over = 0;   // others went first, so often
  uint64_t last_served = 0;  // by a clock that counts
  uint64_t arrival = 0;

  bool before(const Turn& other) const;
};
constexpr int64_t kPassesPerPriority = 8;  // that count as much as one more of priority

struct BatchCandidate {
  Turn turn;
  bool generates = false;  // tokens that are chosen, fewer than kPromptTokensMin; else a prompt
  int64_t left = 0;        // tokens that are not read
  int64_t room = 0;        // tokens that fit its context
};

struct BatchLimits {
  int64_t tokens = 0;
  int64_t prompt_tokens_beside = 0;  // of prompts, beside tokens of sequences that generate
  int64_t sequences = 0;
};

struct BatchShare {
  size_t candidate = 0;
  int64_t tokens = 0;
};

// Those that get tokens, in turn: of sequences that generate one, and more where there is room.
// Pieces of prompts are prompt_step()s.
// REQUIRES: limits.tokens >= limits.sequences + 2 * kPromptTokensMin, and
// prompt_tokens_beside >= 2 * kPromptTokensMin.
std::vector<BatchShare> plan_batch(std::span<const BatchCandidate> candidates,
                                   const BatchLimits& limits);

}  // namespace minim
