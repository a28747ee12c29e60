#include "runtime/step_control.h"

#include <algorithm>

namespace minim {

StepControl::StepControl(int last, const StepControlOptions& options)
    : options_(options), last_(last), dwell_up_(options.dwell_up) {}

bool StepControl::update(std::chrono::nanoseconds now, Demand demand, Descent descent) {
  if (demand == Demand::kMore && !calm_) calm_since_ = now;
  calm_ = demand == Demand::kMore;
  const auto rested = moved_ ? now - changed_ : std::chrono::nanoseconds::max();
  if (demand == Demand::kFloor || demand == Demand::kLess) {
    if (rung_ == last_) return false;
    if (demand == Demand::kLess && rested < options_.dwell_down) return false;
    if (rose_ && rested < options_.dwell_up_max) {
      dwell_up_ = std::min(2 * dwell_up_, options_.dwell_up_max);
    } else if (rose_) {
      dwell_up_ = options_.dwell_up;
    }
    rose_ = false;
    return move(now, demand == Demand::kFloor ? last_ : descent(rung_, last_));
  }
  if (!calm_ || rung_ == 0 || rested < dwell_up_ || now - calm_since_ < options_.dwell_down) {
    return false;
  }
  rose_ = true;
  return move(now, rung_ - 1);
}

bool StepControl::move(std::chrono::nanoseconds now, int rung) {
  rung_ = std::clamp(rung, 0, last_);
  changed_ = now;
  moved_ = true;
  return true;
}

}  // namespace minim
