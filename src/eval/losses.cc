#include "eval/losses.h"

#include <algorithm>
#include <cmath>

namespace minim {

Estimate estimate(std::span<const double> values) {
  const auto count = static_cast<double>(values.size());
  double sum = 0;
  for (const double value : values) sum += value;
  const double mean = sum / count;
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  const double variance = count > 1 ? squares / (count - 1) : 0;
  return {mean, std::sqrt(variance / count)};
}

int32_t log_softmax(std::span<float> logits) {
  const auto best = std::max_element(logits.begin(), logits.end());
  const float largest = *best;
  double sum = 0;
  for (const float logit : logits) sum += std::exp(logit - largest);
  const float shift = largest + static_cast<float>(std::log(sum));
  for (float& logit : logits) logit -= shift;
  return static_cast<int32_t>(best - logits.begin());
}

}  // namespace minim
