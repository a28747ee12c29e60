#include "train/optim/schedule.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/error.h"

namespace minim::train {
namespace {

[[noreturn]] void refuse(const std::string& what) {
  throw Error(ErrorCode::kInvalidArgument, "train: schedule: " + what);
}

// From 1 at 0 to `final` at 1.
double line(double at, double final_fraction) { return 1.0 - at * (1.0 - final_fraction); }

}  // namespace

void check_schedule(const ScheduleOptions& options) {
  if (options.step_count < 1) refuse(fmt::format("{} steps", options.step_count));
  if (options.warmup_steps < 0 || options.warmup_steps > options.step_count) {
    refuse(fmt::format("a warm-up of {} steps in a run of {}", options.warmup_steps,
                       options.step_count));
  }
  if (options.decay_steps < 0 || options.decay_steps > options.step_count - options.warmup_steps) {
    refuse(fmt::format("a decay of {} steps after a warm-up of {} in a run of {}",
                       options.decay_steps, options.warmup_steps, options.step_count));
  }
  if (!(options.final_fraction >= 0.0f && options.final_fraction <= 1.0f)) {
    refuse(fmt::format("a final fraction of {}; must be 0 to 1", options.final_fraction));
  }
}

float schedule_fraction(const ScheduleOptions& options, int64_t step) {
  if (step < options.warmup_steps) {
    return static_cast<float>(step + 1) / static_cast<float>(options.warmup_steps);
  }
  const double final_fraction = options.final_fraction;
  const auto after = [&](int64_t begin) {
    const int64_t length = std::max<int64_t>(options.step_count - begin, 1);
    return std::min(1.0, static_cast<double>(step - begin) / static_cast<double>(length));
  };
  switch (options.kind) {
    case ScheduleKind::kConstant: return 1.0f;
    case ScheduleKind::kWarmupStableDecay: {
      const int64_t begin = options.step_count - options.decay_steps;
      if (step < begin || options.decay_steps == 0) return 1.0f;
      return static_cast<float>(line(after(begin), final_fraction));
    }
    case ScheduleKind::kCosine: {
      const double falling = 0.5 * (1.0 + std::cos(std::numbers::pi * after(options.warmup_steps)));
      return static_cast<float>(final_fraction + (1.0 - final_fraction) * falling);
    }
    case ScheduleKind::kLinear:
      return static_cast<float>(line(after(options.warmup_steps), final_fraction));
  }
  return 1.0f;
}

}  // namespace minim::train
