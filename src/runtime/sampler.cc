#include "runtime/sampler.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"

namespace minim {
namespace {

void require(bool condition, const char* option, double value, const char* wanted) {
  if (condition) return;
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("sampler: {} is {}, but must be {}", option, value, wanted));
}

}  // namespace

int32_t most_probable(std::span<const float> logits) {
  int32_t best = -1;
  for (size_t i = 0; i < logits.size(); ++i) {
    if (std::isnan(logits[i])) continue;
    if (best < 0 || logits[i] > logits[static_cast<size_t>(best)]) best = static_cast<int32_t>(i);
  }
  if (best < 0) {
    throw Error(ErrorCode::kInvalidArgument,
                "sampler: no logit is a number; the model's weights may be damaged");
  }
  return best;
}

Sampler::Sampler(const SamplerOptions& options) : options_(options), rng_(options.seed) {
  require(options.temperature >= 0 && options.temperature <= 100, "temperature",
          options.temperature, "between 0 and 100");
  require(options.top_k >= 0, "top-k", options.top_k, "0 or more");
  require(options.top_p > 0 && options.top_p <= 1, "top-p", options.top_p, "above 0, at most 1");
  require(options.min_p >= 0 && options.min_p <= 1, "min-p", options.min_p, "between 0 and 1");
}

int32_t Sampler::sample(std::span<const float> logits) {
  if (options_.temperature == 0) return most_probable(logits);
  collect(logits);
  keep_probable();
  return draw();
}

// The top-k candidates, best first.
void Sampler::collect(std::span<const float> logits) {
  candidates_.clear();
  for (size_t i = 0; i < logits.size(); ++i) {
    if (std::isnan(logits[i]) || logits[i] == -INFINITY) continue;
    candidates_.push_back({logits[i], static_cast<int32_t>(i)});
  }
  if (candidates_.empty()) {
    candidates_.push_back({0, most_probable(logits)});
    return;
  }
  const auto better = [](const Candidate& a, const Candidate& b) {
    return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
  };
  const size_t wanted = options_.top_k == 0
                            ? candidates_.size()
                            : std::min(candidates_.size(), static_cast<size_t>(options_.top_k));
  std::partial_sort(candidates_.begin(), candidates_.begin() + static_cast<ptrdiff_t>(wanted),
                    candidates_.end(), better);
  candidates_.resize(wanted);
}

// Probabilities at the temperature asked for, cut to top-p and min-p. min-p and top-p look at the
// distribution before temperature, so that a hot sampler still avoids nonsense.
void Sampler::keep_probable() {
  const float best = candidates_.front().logit;
  const auto weigh = [&](float temperature) {
    probabilities_.clear();
    for (const Candidate& candidate : candidates_) {
      // An infinite best logit takes all the probability.
      const float gap = candidate.logit == best ? 0.0f : candidate.logit - best;
      probabilities_.push_back(std::exp(gap / temperature));
    }
  };
  weigh(1.0f);
  const double total = std::accumulate(probabilities_.begin(), probabilities_.end(), 0.0);
  size_t kept = 0;
  double sum = 0;
  while (kept < probabilities_.size()) {
    if (kept > 0 && (sum >= options_.top_p * total || probabilities_[kept] < options_.min_p)) break;
    sum += probabilities_[kept++];
  }
  candidates_.resize(kept);
  weigh(options_.temperature);
}

int32_t Sampler::draw() {
  const double total = std::accumulate(probabilities_.begin(), probabilities_.end(), 0.0);
  double remaining = rng_.uniform() * total;
  for (size_t i = 0; i < candidates_.size(); ++i) {
    remaining -= probabilities_[i];
    if (remaining < 0) return candidates_[i].token;
  }
  return candidates_.back().token;
}

}  // namespace minim
