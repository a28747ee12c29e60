// How the tokens of a batch lie: which of them see each other, and at which positions.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace minim::train {

// Consecutive rows of activations that are one document: attention never leaves it.
struct Segment {
  int64_t begin = 0;
  int64_t count = 0;
};

struct TokenLayout {
  std::vector<Segment> segments;   // in order, covering every token once
  std::vector<int32_t> positions;  // of each token within its document

  int64_t token_count() const { return static_cast<int64_t>(positions.size()); }
};

// Rows of `row_tokens` tokens each; starts: where in its row the document of each token begins.
TokenLayout make_token_layout(int64_t row_tokens, std::span<const int32_t> starts);
// `count` documents of `tokens` tokens each.
TokenLayout make_token_layout(int64_t count, int64_t tokens);

}  // namespace minim::train
