// Repetition, presence and frequency penalties.
#include <algorithm>

#include "runtime/sampling/step.h"

namespace minim {
namespace {

class Penalties : public SamplingStep {
 public:
  explicit Penalties(const PenaltyOptions& options) : options_(options) {}

  void apply(Candidates& candidates, const TokenHistory& history, Rng&) override {
    catch_up(history);
    candidates.adjust(std::span<const Count>(counts_), [this](float logit, const Count& seen) {
      if (options_.repetition != 1) {
        logit = logit > 0 ? logit / options_.repetition : logit * options_.repetition;
      }
      return logit - options_.presence - options_.frequency * static_cast<float>(seen.count);
    });
  }

 private:
  struct Count {
    TokenId token;
    int count;
  };

  // The window moves on with the text: what comes in is counted, what leaves it no longer.
  void catch_up(const TokenHistory& history) {
    const size_t first = options_.generated_only ? history.prompt_tokens : 0;
    const size_t end = history.tokens.size();
    size_t wanted = first;
    if (options_.window >= 0 && end > static_cast<size_t>(options_.window)) {
      wanted = std::max(first, end - static_cast<size_t>(options_.window));
    }
    if (wanted >= end_) {  // nothing of the old window is left, as at first
      counts_.clear();
      begin_ = end_ = wanted;
    }
    for (; end_ < end; ++end_) ++entry(history.tokens[end_]).count;
    for (; begin_ < wanted; ++begin_) {
      Count& leaving = entry(history.tokens[begin_]);
      if (--leaving.count == 0) counts_.erase(counts_.begin() + (&leaving - counts_.data()));
    }
  }

  Count& entry(TokenId token) {
    const auto before = [](const Count& count, TokenId wanted) { return count.token < wanted; };
    auto at = std::lower_bound(counts_.begin(), counts_.end(), token, before);
    if (at == counts_.end() || at->token != token) at = counts_.insert(at, {token, 0});
    return *at;
  }

  PenaltyOptions options_;
  size_t begin_ = 0, end_ = 0;  // of the history that is counted
  std::vector<Count> counts_;   // by token
};

}  // namespace

SamplingStepPtr make_penalties(const PenaltyOptions& options) {
  const bool off = options.repetition == 1 && options.presence == 0 && options.frequency == 0;
  return off || options.window == 0 ? nullptr : std::make_unique<Penalties>(options);
}

}  // namespace minim
