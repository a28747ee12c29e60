// Which steps are not to be taken: those whose loss or gradients are no finite numbers, and those
// whose gradients are far larger than usual.
#pragma once

#include <cstdint>

namespace minim::train {

struct GuardOptions {
  float spike = 4.0f;      // times the usual norm of the gradients; 0: no bound
  int bad_steps_max = 20;  // in a row, before the last checkpoint is gone back to
  int rollbacks_max = 3;   // in a run
};

enum class StepVerdict { kTake, kSkipNotFinite, kSkipSpike };

// All that it remembers is plain numbers, for checkpoints.
struct GuardState {
  double usual_norm = 0;    // a moving average over the steps taken
  int64_t steps_taken = 0;  // that it is of
  int64_t skipped = 0;      // in the whole run
  int64_t bad_in_a_row = 0;
  int64_t rollbacks = 0;
};

// Decides about a step and remembers what it decided.
StepVerdict judge_step(const GuardOptions& options, double loss, double gradient_norm,
                       GuardState& state);

// Whether the steps skipped in a row are too many.
bool wants_rollback(const GuardOptions& options, const GuardState& state);

}  // namespace minim::train
