#include "eval/streaming.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "base/error.h"
#include "runtime/session.h"

namespace minim {
namespace {

// Appends `tokens`, and to `losses` what predicting the token after each of them cost; `next` is
// `tokens` without the first, and what follows them where something does.
void read(Session& session, std::span<const TokenId> tokens, std::span<const TokenId> next,
          std::vector<double>& losses) {
  session.append(tokens, 0, [&](int64_t first, MatrixView logits) {
    for (int64_t row = 0; row < logits.rows; ++row) {
      const auto index = static_cast<size_t>(first + row);
      if (index >= next.size()) return;
      const std::span<float> values(logits.row(row), static_cast<size_t>(logits.cols));
      log_softmax(values);
      losses.push_back(-double{values[static_cast<size_t>(next[index])]});
    }
  });
}

}  // namespace

StreamingResult measure_streaming(const Context& context, std::shared_ptr<const Model> model,
                                  std::span<const TokenId> tokens, const StreamingOptions& options,
                                  const ProgressSink& progress) {
  Session shifted(context, std::move(model),
                  {.context_tokens = options.context_tokens, .kv_type = options.kv_type});
  const auto context_tokens = static_cast<size_t>(shifted.context_tokens());
  if (tokens.size() <= context_tokens + 1) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("streaming: the text has {} tokens, which do not go past the context "
                            "of {}; give a longer text or a smaller --context",
                            tokens.size(), context_tokens));
  }
  shifted.append(tokens.first(context_tokens));
  Session reread = shifted.clone();
  ShiftOptions again = options.shift;
  again.reread = true;
  StreamingResult result;
  std::vector<double> shifted_losses;
  std::vector<double> reread_losses;
  for (size_t begin = context_tokens; begin + 1 < tokens.size();) {
    const auto dropped = static_cast<size_t>(shifted.shift(options.shift).dropped);
    reread.shift(again);
    ++result.shift_count;
    const size_t count = std::min(dropped, tokens.size() - begin);
    const size_t scored = std::min(count, tokens.size() - begin - 1);
    read(shifted, tokens.subspan(begin, count), tokens.subspan(begin + 1, scored), shifted_losses);
    read(reread, tokens.subspan(begin, count), tokens.subspan(begin + 1, scored), reread_losses);
    begin += count;
    report_progress(progress, {.stage = "scoring",
                               .done = static_cast<uint64_t>(begin),
                               .total = static_cast<uint64_t>(tokens.size()),
                               .unit = "tokens"});
  }
  std::vector<double> differences;
  for (size_t i = 0; i < shifted_losses.size(); ++i) {
    differences.push_back(shifted_losses[i] - reread_losses[i]);
  }
  result.log_ratio = estimate(differences);
  result.shifted_perplexity = std::exp(estimate(shifted_losses).value);
  result.reread_perplexity = std::exp(estimate(reread_losses).value);
  result.token_count = static_cast<int64_t>(differences.size());
  return result;
}

}  // namespace minim
