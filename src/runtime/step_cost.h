// How long a forward pass takes by the number of tokens in it, learnt from those that were made.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace minim {

class StepCost {
 public:
  static constexpr int64_t kRowsMax = 64;  // of more nothing is learnt

  void add(int64_t rows, double seconds);
  // 0: nothing was added yet. Between numbers of rows that were seen along a line; beyond them as
  // if a row more cost kRowShare of a pass of one.
  double seconds(int64_t rows) const;

  // Low, so that it is tried what more rows cost.
  static constexpr double kRowShare = 0.1;

 private:
  std::array<double, kRowsMax + 1> seconds_{};  // by rows, smoothed; 0: not seen
};

}  // namespace minim
