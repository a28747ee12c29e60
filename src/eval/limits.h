// The limits of this machine at this moment: others use it too, so they are read beside each
// figure.
#pragma once

#include <cstddef>
#include <memory>

#include "base/context.h"

namespace minim {

struct Limits {
  double bytes_per_second = 0;     // reads from memory, all threads
  double int8_operations = 0;      // a second: products and sums of bytes, 2 for each pair
  double float_operations = 0;     // likewise in float
  double bfloat16_operations = 0;  // likewise in bfloat16, or in float where that is missing
};

class LimitsProbe {
 public:
  // `tiny`: reads of little memory, only to show that it works. The context must outlive the probe.
  LimitsProbe(const Context& context, bool tiny);

  // Medians of several short readings, together well under a second.
  Limits read();
  // The first of them alone, in a tenth of a second.
  double read_bytes_per_second();

 private:
  struct Release {
    void operator()(float* memory) const;
  };

  const Context& context_;
  size_t value_count_;
  int64_t steps_max_;
  std::unique_ptr<float[], Release> memory_;
};

}  // namespace minim
