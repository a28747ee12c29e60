#include "serve/engine/energy_shares.h"

#include <algorithm>

namespace minim::serve {

// REQUIRES: the mutex is held.
Energy EnergyShares::advance() {
  const Energy now = meter_.read();
  const double used = std::max(now.joules - std::exchange(joules_, now.joules), 0.0);
  if (underway_ > 0) share_ += used / static_cast<double>(underway_);
  return now;
}

EnergyShares::Share EnergyShares::begin() {
  const std::lock_guard lock(mutex_);
  advance();
  ++underway_;
  return {this, share_};
}

Energy EnergyShares::Share::end() {
  EnergyShares& owner = *std::exchange(owner_, nullptr);
  const std::lock_guard lock(owner.mutex_);
  const Energy now = owner.advance();
  --owner.underway_;
  return {owner.share_ - begun_, now.source};
}

}  // namespace minim::serve
