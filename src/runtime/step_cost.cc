#include "runtime/step_cost.h"

#include <algorithm>

namespace minim {
namespace {

constexpr double kNewest = 0.2;   // the share of the newest in what is kept
constexpr double kOutlier = 3.0;  // times what is usual: the machine did something else

double shape(int64_t rows) { return 1 + StepCost::kRowShare * static_cast<double>(rows - 1); }

}  // namespace

void StepCost::add(int64_t rows, double seconds) {
  if (rows < 1 || rows > kRowsMax || !(seconds > 0)) return;
  double& kept = seconds_[static_cast<size_t>(rows)];
  kept = kept == 0 ? seconds : kept + kNewest * (std::min(seconds, kOutlier * kept) - kept);
}

double StepCost::seconds(int64_t rows) const {
  const int64_t wanted = std::max<int64_t>(rows, 1);
  int64_t below = std::min(wanted, kRowsMax);
  while (below > 0 && seconds_[static_cast<size_t>(below)] == 0) --below;
  int64_t above = wanted;
  while (above <= kRowsMax && seconds_[static_cast<size_t>(above)] == 0) ++above;
  const bool has_below = below > 0;
  const bool has_above = above <= kRowsMax;
  if (!has_below && !has_above) return 0;
  if (has_below && has_above) {
    const double low = seconds_[static_cast<size_t>(below)];
    const double high = seconds_[static_cast<size_t>(above)];
    if (below == above) return low;
    return low +
           (high - low) * static_cast<double>(wanted - below) / static_cast<double>(above - below);
  }
  const int64_t known = has_below ? below : above;
  return seconds_[static_cast<size_t>(known)] * shape(wanted) / shape(known);
}

}  // namespace minim
