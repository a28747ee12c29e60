// How the learning rate moves over the steps of a run.
#pragma once

#include <cstdint>

namespace minim::train {

enum class ScheduleKind {
  kConstant,
  kWarmupStableDecay,  // level, then down in a line over the last decay_steps (Hu et al., 2024)
  kCosine,             // half a cosine from the end of the warm-up (Loshchilov and Hutter, 2017)
  kLinear,             // a line from the end of the warm-up
};

struct ScheduleOptions {
  ScheduleKind kind = ScheduleKind::kWarmupStableDecay;
  int64_t step_count = 0;       // of the whole run
  int64_t warmup_steps = 0;     // up in a line from 0
  int64_t decay_steps = 0;      // of kWarmupStableDecay
  float final_fraction = 0.0f;  // of the peak, at the end
};

// Throws kInvalidArgument, naming the field, for options that make no sense.
void check_schedule(const ScheduleOptions& options);

// The share of the peak rate in step `step`, the first being 0; at least final_fraction beyond the
// last.
float schedule_fraction(const ScheduleOptions& options, int64_t step);

}  // namespace minim::train
