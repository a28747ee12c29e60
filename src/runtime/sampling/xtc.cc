// XTC, "exclude top choices".
#include <algorithm>
#include <cmath>
#include <vector>

#include "runtime/sampling/step.h"

namespace minim {
namespace {

class Xtc : public SamplingStep {
 public:
  explicit Xtc(const XtcOptions& options) : options_(options) {}

  void apply(Candidates& candidates, const TokenHistory&, Rng& rng) override {
    if (rng.uniform() >= options_.probability) return;
    const double bound = std::log(double{options_.threshold}) + candidates.log_sum();
    const auto top = candidates.find_from(static_cast<float>(bound));
    if (top.size() < 2) return;
    removed_.clear();
    for (const Candidate& candidate : top.first(top.size() - 1)) {
      removed_.push_back(candidate.token);
    }
    std::sort(removed_.begin(), removed_.end());
    candidates.remove(removed_);
  }

 private:
  XtcOptions options_;
  std::vector<int32_t> removed_;
};

}  // namespace

SamplingStepPtr make_xtc(const XtcOptions& options) {
  return options.probability > 0 ? std::make_unique<Xtc>(options) : nullptr;
}

}  // namespace minim
