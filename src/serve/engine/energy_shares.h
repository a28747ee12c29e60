// What each text took of the energy that the machine used: while several are under way, each is
// charged an equal share, so that all together are charged what was used.
#pragma once

#include <cstdint>
#include <mutex>
#include <utility>

#include "base/energy_meter.h"

namespace minim::serve {

// Safe to share between threads.
class EnergyShares {
 public:
  explicit EnergyShares(const EnergyOptions& options = {}) : meter_(options) {}
  EnergyShares(const EnergyShares&) = delete;
  EnergyShares& operator=(const EnergyShares&) = delete;

  // Of one text, from begin() to end() or its destruction. The shares must not outlive their owner.
  class Share {
   public:
    Share(Share&& other) noexcept
        : owner_(std::exchange(other.owner_, nullptr)), begun_(other.begun_) {}
    Share& operator=(Share&&) = delete;
    ~Share() {
      if (owner_ != nullptr) end();
    }
    // REQUIRES: it has not ended.
    Energy end();

   private:
    friend class EnergyShares;
    Share(EnergyShares* owner, double begun) : owner_(owner), begun_(begun) {}

    EnergyShares* owner_;
    double begun_;
  };
  Share begin();

 private:
  Energy advance();

  std::mutex mutex_;  // guards what follows
  EnergyMeter meter_;
  double joules_ = 0;     // when it was last read
  double share_ = 0;      // what a text would have been charged that was there from the beginning
  int64_t underway_ = 0;  // texts
};

}  // namespace minim::serve
