#include "train/token_layout.h"

namespace minim::train {

TokenLayout make_token_layout(int64_t row_tokens, std::span<const int32_t> starts) {
  TokenLayout layout;
  layout.positions.reserve(starts.size());
  for (size_t i = 0; i < starts.size(); ++i) {
    const auto at = static_cast<int64_t>(i);
    const int64_t token = at % row_tokens;
    if (starts[i] == token) layout.segments.push_back({at, 0});
    ++layout.segments.back().count;
    layout.positions.push_back(static_cast<int32_t>(token - starts[i]));
  }
  return layout;
}

TokenLayout make_token_layout(int64_t count, int64_t tokens) {
  TokenLayout layout;
  for (int64_t document = 0; document < count; ++document) {
    layout.segments.push_back({document * tokens, tokens});
    for (int64_t token = 0; token < tokens; ++token) {
      layout.positions.push_back(static_cast<int32_t>(token));
    }
  }
  return layout;
}

}  // namespace minim::train
