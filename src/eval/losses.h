// From logits to losses, and from losses to means that say how far they can be trusted.
#pragma once

#include <cstdint>
#include <span>

namespace minim {

// A mean of independent observations and the standard error of that mean.
struct Estimate {
  double value = 0;
  double standard_error = 0;
};

// REQUIRES: values is not empty.
Estimate estimate(std::span<const double> values);

// Turns logits into log-probabilities in place; returns the index of the largest.
int32_t log_softmax(std::span<float> logits);

}  // namespace minim
