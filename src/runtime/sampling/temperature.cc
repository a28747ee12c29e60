// Temperature, fixed or moved by how certain the model is.
#include <cmath>

#include "runtime/sampling/step.h"

namespace minim {
namespace {

class Temperature : public SamplingStep {
 public:
  explicit Temperature(const SamplerOptions& options)
      : low_(std::max(0.0f, options.temperature - options.temperature_range)),
        high_(options.temperature + options.temperature_range),
        exponent_(options.temperature_exponent) {}

  void apply(Candidates& candidates, const TokenHistory&, Rng&) override {
    const double temperature = low_ == high_ ? double{low_} : by_entropy(candidates);
    // Below this the odds of logits 0.001 apart are 1 to e^1000: the best one is all that is left.
    constexpr double kLeast = 1e-6;
    if (temperature < kLeast) {
      candidates.keep_best(1);
    } else if (temperature != 1) {
      candidates.scale(static_cast<float>(1 / temperature));
    }
  }

 private:
  double by_entropy(Candidates& candidates) const {
    const double largest = std::log(static_cast<double>(candidates.count()));
    const double certainty = largest > 0 ? std::min(1.0, candidates.entropy() / largest) : 0;
    return double{low_} +
           (double{high_} - double{low_}) * std::pow(std::max(0.0, certainty), double{exponent_});
  }

  float low_, high_, exponent_;
};

}  // namespace

SamplingStepPtr make_temperature(const SamplerOptions& options) {
  if (options.temperature == 1 && options.temperature_range == 0) return nullptr;
  return std::make_unique<Temperature>(options);
}

}  // namespace minim
