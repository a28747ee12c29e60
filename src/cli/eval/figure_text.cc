#include "cli/eval/figure_text.h"

#include <fmt/core.h>

namespace minim::cli {

std::string title_of(const TaskResult& task) {
  return task.constrained ? task.name + " (constrained)" : task.name;
}

bool is_share(Metric metric) { return metric != Metric::kBleu && metric != Metric::kBitsPerByte; }

std::string format_value(Metric metric, double value) {
  if (metric == Metric::kBitsPerByte) return fmt::format("{:.4f}", value);
  if (metric == Metric::kBleu) return fmt::format("{:.1f}", value);
  return fmt::format("{:.1f} %", 100 * value);
}

std::string format_interval(Metric metric, const Interval& interval) {
  if (metric == Metric::kBitsPerByte) {
    return fmt::format("{:.4f} - {:.4f}", interval.low, interval.high);
  }
  const double scale = is_share(metric) ? 100 : 1;
  return fmt::format("{:.1f} - {:.1f}", scale * interval.low, scale * interval.high);
}

std::string format_change(Metric metric, double change) {
  if (metric == Metric::kBitsPerByte) return fmt::format("{:+.4f}", change);
  return fmt::format("{:+.1f}", is_share(metric) ? 100 * change : change);
}

std::string format_notes(const TaskResult& task) {
  std::string text;
  if (task.window_tokens > 0) {
    int64_t bytes = 0;
    for (const TaskOutcome& outcome : task.outcomes) bytes += outcome.bytes;
    text += fmt::format("{}: {} bytes; windows of {} tokens, a stride of {}\n", task.name, bytes,
                        task.window_tokens, task.window_tokens / 2);
  }
  if (task.too_long > 0) {
    text += fmt::format("{}: {} items did not fit the context and do not count\n", task.name,
                        task.too_long);
  }
  return text;
}

}  // namespace minim::cli
