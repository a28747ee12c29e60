// The moving average of the weights, which often predicts better than the last of them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/context.h"

namespace minim::train {

class MovingAverage {
 public:
  // decay 0: none is kept. Throws kInvalidArgument outside [0, 1).
  MovingAverage(float decay, std::span<const float> values);

  bool enabled() const { return decay_ > 0.0f; }
  // average = kept * average + (1 - kept) * values. The first steps count for more: kept is at most
  // (1 + step) / (10 + step).
  void update(const Context& context, std::span<const float> values, int64_t step);
  std::span<float> values() { return average_; }
  std::span<const float> values() const { return average_; }

 private:
  float decay_;
  std::vector<float> average_;
};

}  // namespace minim::train
