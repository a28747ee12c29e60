// What compiling a grammar may cost: counted in steps, so that what is refused on one machine is
// refused on all.
#pragma once

#include <cstdint>

namespace minim {

// A step takes 20 to 50 ns of a busy server's core of 2021, so that compiling takes at most 150 ms.
struct GrammarLimits {
  int64_t steps_max = 3'000'000;
  uint32_t source_bytes_max = 1u << 18;
  uint32_t expressions_max = 200'000;
  uint32_t rules_max = 10'000;
  uint32_t depth_max = 400;       // of nested expressions, and of rules within rules
  uint32_t states_max = 100'000;  // of all automata together
  uint32_t table_entries_max = 6'000'000;
};

class Budget {
 public:
  explicit Budget(const GrammarLimits& limits) : limits_(limits) {}
  const GrammarLimits& limits() const { return limits_; }

  // Throws kLimit once they are used up.
  void spend(int64_t steps) {
    steps_ += steps;
    if (steps_ > limits_.steps_max) refuse_steps();
  }
  int64_t steps() const { return steps_; }

  // Throws kLimit where `count` passes a bound on states.
  void check_states(uint64_t count) const {
    if (count > limits_.states_max) refuse_states();
  }

 private:
  [[noreturn]] void refuse_steps() const;
  [[noreturn]] void refuse_states() const;

  GrammarLimits limits_;
  int64_t steps_ = 0;
};

}  // namespace minim
