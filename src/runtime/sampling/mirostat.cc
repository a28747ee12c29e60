// Mirostat, versions 1 and 2: a feedback loop on the surprise of what is chosen, in bits.
#include <cmath>
#include <numbers>

#include "runtime/sampling/step.h"

namespace minim {
namespace {

class Mirostat : public SamplingStep {
 public:
  explicit Mirostat(const MirostatOptions& options)
      : options_(options), surprise_max_(2 * double{options.target}) {}

  void apply(Candidates& candidates, const TokenHistory&, Rng&) override {
    if (options_.version == 1) {
      candidates.keep_best(estimate_count(candidates));
    } else {
      const double bound = candidates.log_sum() - surprise_max_ * std::numbers::ln2;
      candidates.keep_from(static_cast<float>(bound));
    }
  }

  void drawn(const Draw& draw) override { drawn_ = draw; }

  void accept(TokenId token) override {
    if (token != drawn_.token) return;  // chosen elsewhere: it says nothing of this loop
    const double surprise = -std::log2(drawn_.probability);
    surprise_max_ -= double{options_.rate} * (surprise - double{options_.target});
    drawn_ = {};
  }

 private:
  // The number of tokens at which a Zipf distribution has the surprise surprise_max_, its exponent
  // estimated from the hundred most probable ones (Algorithm 1).
  int64_t estimate_count(Candidates& candidates) const {
    constexpr int64_t kEstimated = 100;
    const auto top = candidates.find_best(kEstimated);
    double products = 0, squares = 0;
    for (size_t i = 0; i + 1 < top.size(); ++i) {
      const double rank_ratio = std::log(static_cast<double>(i + 2) / static_cast<double>(i + 1));
      products += rank_ratio * (double{top[i].logit} - double{top[i + 1].logit});
      squares += rank_ratio * rank_ratio;
    }
    if (products <= 0) return candidates.vocabulary_size();  // all alike
    const double exponent = products / squares;
    const double epsilon = exponent - 1;
    const double vocabulary = static_cast<double>(candidates.vocabulary_size());
    // epsilon / (1 - N^-epsilon), which is 1 / ln N at 0.
    const double factor = std::abs(epsilon) < 1e-9
                              ? 1 / std::log(vocabulary)
                              : epsilon / -std::expm1(-epsilon * std::log(vocabulary));
    const double log_count = (std::log(factor) + surprise_max_ * std::numbers::ln2) / exponent;
    if (!(log_count < std::log(vocabulary))) return candidates.vocabulary_size();
    return std::max<int64_t>(1, std::llround(std::exp(log_count)));
  }

  MirostatOptions options_;
  double surprise_max_;  // mu
  Draw drawn_;
};

}  // namespace

SamplingStepPtr make_mirostat(const MirostatOptions& options) {
  return options.version != 0 ? std::make_unique<Mirostat>(options) : nullptr;
}

}  // namespace minim
