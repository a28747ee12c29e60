// The loops whose instructions are counted: small, and the same on every machine.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/context.h"

namespace minim::bench {

struct CountedWork {
  std::string name;
  double operations = 0;  // of a call: products that are summed, or values of a row
  // Makes the inputs and returns the call.
  std::function<std::function<void()>(const Context& context)> prepare;
};

std::vector<CountedWork> counted_works();

}  // namespace minim::bench
