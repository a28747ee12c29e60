// A control loop over rungs of a ladder: down quickly, up slowly, and not to and fro.
#pragma once

#include <chrono>

namespace minim {

// What the governed quantity (a temperature, a power) asks for at this moment.
enum class Demand {
  kFloor,  // the last rung at once
  kLess,
  kHold,
  kMore,
};

struct StepControlOptions {
  std::chrono::nanoseconds dwell_down{};  // at least so long between two steps down
  std::chrono::nanoseconds dwell_up{};    // and before a step up
  std::chrono::nanoseconds dwell_up_max{};
};

// Rung 0 is the fastest. A step up that has to be taken back within dwell_up_max makes the next one
// wait twice as long, up to that, so that a machine which can just not keep a rung settles on the
// one below.
class StepControl {
 public:
  // `last`: the slowest rung.
  StepControl(int last, const StepControlOptions& options);

  // Where a step down from `rung` leads: the caller knows what the rungs are.
  using Descent = int (*)(int rung, int last);

  // Times must not go back. Returns whether the rung has changed.
  bool update(std::chrono::nanoseconds now, Demand demand, Descent descent);
  int rung() const { return rung_; }

 private:
  bool move(std::chrono::nanoseconds now, int rung);

  StepControlOptions options_;
  int last_;
  int rung_ = 0;
  bool moved_ = false;
  bool rose_ = false;                      // the last change was a step up
  std::chrono::nanoseconds changed_{};     // when the rung changed
  std::chrono::nanoseconds calm_since_{};  // since when `demand` has been kMore without a break
  bool calm_ = false;
  std::chrono::nanoseconds dwell_up_;
};

}  // namespace minim
