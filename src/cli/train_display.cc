#include "cli/train_display.h"

#include <fmt/core.h>

#include <cstdio>
#include <string>

#include "cli/terminal.h"

namespace minim::cli {

void TrainDisplay::show(const train::StepStatistics& step) {
  const double speed = static_cast<double>(step.batch_tokens) / step.seconds;
  usual_speed_ = usual_speed_ == 0 ? speed : 0.9 * usual_speed_ + 0.1 * speed;
  if (quiet_) return;
  show_trouble(step);
  const auto now = Clock::now();
  const bool terminal = stderr_is_terminal();
  const auto pause = terminal ? std::chrono::milliseconds(100) : std::chrono::seconds(10);
  if (now - last_ < pause && step.step != step.step_count) return;
  last_ = now;
  const double share = static_cast<double>(step.step) / static_cast<double>(step.step_count);
  const auto left = static_cast<double>((step.step_count - step.step) * step.batch_tokens);
  std::string line = terminal ? progress_bar(share) + " " : "";
  line += fmt::format("step {}/{}  loss {:.4f}  {} tokens/s  {:.0f} % of the peak", step.step,
                      step.step_count, step.loss, format_count(usual_speed_),
                      100 * step.flops / step.seconds / peak_);
  if (step.wait_seconds > 0) {
    line += fmt::format("  {:.0f} % waiting", 100 * step.wait_seconds / step.seconds);
  }
  line += fmt::format("  {} left", format_duration(left / usual_speed_));
  fmt::print(stderr, "{}{}{}", terminal ? "\r\033[K" : "", line, terminal ? "" : "\n");
  std::fflush(stderr);
  drawn_ = terminal;
}

// What is in the log too, but should not be found there only.
void TrainDisplay::show_trouble(const train::StepStatistics& step) {
  if (step.verdict == train::StepVerdict::kTake) return;
  clear_line();
  fmt::print(stderr, "minim: warning: step {} was skipped: {}{}\n", step.step,
             step.verdict == train::StepVerdict::kSkipSpike
                 ? fmt::format("its gradient, of norm {:.3g}, was far larger than usual",
                               step.gradient_norm)
                 : "its loss or gradient was no finite number",
             step.rolled_back ? "; back to the last checkpoint" : "");
}

void TrainDisplay::show(const train::HeldOutLoss& look) {
  if (quiet_) return;
  clear_line();
  fmt::print(stderr, "held out after step {}: loss {:.4f}", look.step, look.loss);
  if (look.average_loss) fmt::print(stderr, ", of the average {:.4f}", *look.average_loss);
  fmt::print(stderr, "\n");
}

void TrainDisplay::clear_line() {
  if (drawn_) fmt::print(stderr, "\r\033[K");
  drawn_ = false;
}

}  // namespace minim::cli
