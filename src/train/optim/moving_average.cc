#include "train/optim/moving_average.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/error.h"

namespace minim::train {

MovingAverage::MovingAverage(float decay, std::span<const float> values) : decay_(decay) {
  if (!(decay >= 0.0f && decay < 1.0f)) {
    throw Error(
        ErrorCode::kInvalidArgument,
        fmt::format("train: a moving average with decay {}; must be at least 0, below 1", decay));
  }
  if (enabled()) average_.assign(values.begin(), values.end());
}

void MovingAverage::update(const Context& context, std::span<const float> values, int64_t step) {
  if (!enabled()) return;
  MINIM_CHECK(values.size() == average_.size());
  const float early = static_cast<float>(1 + step) / static_cast<float>(10 + step);
  const float share = 1.0f - std::min(decay_, early);
  const auto count = static_cast<int64_t>(values.size());
  context.threads.run_ranges(count, 1 << 16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const auto at = static_cast<size_t>(i);
      average_[at] += share * (values[at] - average_[at]);
    }
  });
}

}  // namespace minim::train
