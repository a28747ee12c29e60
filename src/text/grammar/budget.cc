#include "text/grammar/budget.h"

#include <fmt/format.h>

#include "base/error.h"

namespace minim {

void Budget::refuse_steps() const {
  throw Error(ErrorCode::kLimit,
              fmt::format("grammar: compiling it takes more than {} steps; make repetitions and "
                          "lengths smaller, or the grammar simpler",
                          limits_.steps_max));
}

void Budget::refuse_states() const {
  throw Error(ErrorCode::kLimit,
              fmt::format("grammar: it needs more than {} states; make repetitions and lengths "
                          "smaller, or the grammar simpler",
                          limits_.states_max));
}

}  // namespace minim
