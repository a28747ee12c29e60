#include "train/step_guard.h"

#include <cmath>

namespace minim::train {
namespace {

constexpr double kKept = 0.95;         // of the average, a step
constexpr int64_t kStepsToLearn = 20;  // before a norm can be unusual

}  // namespace

StepVerdict judge_step(const GuardOptions& options, double loss, double gradient_norm,
                       GuardState& state) {
  StepVerdict verdict = StepVerdict::kTake;
  if (!std::isfinite(loss) || !std::isfinite(gradient_norm)) {
    verdict = StepVerdict::kSkipNotFinite;
  } else if (options.spike > 0.0f && state.steps_taken >= kStepsToLearn &&
             gradient_norm > options.spike * state.usual_norm) {
    verdict = StepVerdict::kSkipSpike;
  }
  if (verdict != StepVerdict::kTake) {
    ++state.skipped;
    ++state.bad_in_a_row;
    return verdict;
  }
  state.usual_norm = state.steps_taken == 0
                         ? gradient_norm
                         : kKept * state.usual_norm + (1.0 - kKept) * gradient_norm;
  ++state.steps_taken;
  state.bad_in_a_row = 0;
  return verdict;
}

bool wants_rollback(const GuardOptions& options, const GuardState& state) {
  return state.bad_in_a_row >= options.bad_steps_max;
}

}  // namespace minim::train
