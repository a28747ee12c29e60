#include "train/run/run_report.h"

#include <fmt/chrono.h>
#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "train/run/svg_plot.h"

namespace minim::train {
namespace {

constexpr const char* kStyle = R"(
:root { color-scheme: light dark; --line: #8884; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 800px; margin: 2em auto; padding: 0 1em; }
h1 { font-size: 1.5em; } h2 { font-size: 1.15em; margin-top: 2em; }
table { border-collapse: collapse; } td { padding: .15em 1.2em .15em 0; vertical-align: top; }
td:first-child { opacity: .7; }
svg { width: 100%; height: auto; margin: .5em 0; }
svg text { font: 11px system-ui, sans-serif; fill: currentColor; }
svg .title { font-weight: 600; font-size: 12px; } svg .grid { stroke: var(--line); }
pre { overflow-x: auto; padding: .8em; border: 1px solid var(--line); border-radius: 4px; }
)";

double median(std::vector<double> values) {
  std::erase_if(values, [](double value) { return !std::isfinite(value); });
  if (values.empty()) return std::nan("");
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

template <typename Value>
std::vector<PlotPoint> points_of(const std::vector<StepRecord>& steps, Value value) {
  std::vector<PlotPoint> points;
  for (const StepRecord& step : steps) {
    points.push_back({static_cast<double>(step.step), value(step)});
  }
  return points;
}

// Exponential moving average whose window is about a fiftieth of the curve.
std::vector<PlotPoint> smoothed(std::vector<PlotPoint> points) {
  const double keep = 1 - 1 / std::max(1.0, static_cast<double>(points.size()) / 50);
  double mean = 0, weight = 0;
  for (PlotPoint& point : points) {
    if (!std::isfinite(point.y)) continue;
    mean = keep * mean + (1 - keep) * point.y;
    weight = keep * weight + (1 - keep);
    point.y = mean / weight;
  }
  return points;
}

std::string row(const std::string& name, const std::string& value) {
  return fmt::format("<tr><td>{}</td><td>{}</td></tr>\n", escape_html(name), escape_html(value));
}

std::string format_time(int64_t seconds) {
  return fmt::format("{:%Y-%m-%d %H:%M} UTC", fmt::gmtime(static_cast<std::time_t>(seconds)));
}

std::string format_seconds(double seconds) {
  const auto whole = static_cast<int64_t>(seconds + 0.5);
  if (whole < 60) return fmt::format("{:.1f} s", seconds);
  if (whole < 3600) return fmt::format("{} min {} s", whole / 60, whole % 60);
  return fmt::format("{} h {} min", whole / 3600, whole % 3600 / 60);
}

std::string format_summary(const RunHistory& history) {
  const RunStart& start = history.start;
  std::string table = "<table>\n";
  table += row("begun", format_time(start.time));
  table += row("parameters", fmt::format("{:.2f} M", static_cast<double>(start.parameters) / 1e6));
  table += row("machine", start.machine);
  table += row("minim", start.version);
  table += row("positions a step", fmt::format("{}", start.batch_tokens));
  if (!history.steps.empty()) {
    const StepRecord& last = history.steps.back();
    double seconds = 0;
    std::vector<double> rates;
    for (const StepRecord& step : history.steps) {
      if (!(step.seconds > 0)) continue;
      seconds += step.seconds;
      rates.push_back(static_cast<double>(start.batch_tokens) / step.seconds);
    }
    const auto curve = smoothed(points_of(history.steps, [](auto& step) { return step.loss; }));
    table += row("steps", fmt::format("{} of {}", last.step, start.step_count));
    table += row("tokens", fmt::format("{:.2f} M", static_cast<double>(last.tokens) / 1e6));
    table += row("loss", fmt::format("{:.4f} (smoothed)", curve.back().y));
    table += row("tokens a second", fmt::format("{:.0f} (median)", median(rates)));
    table += row("time in steps", format_seconds(seconds));
  }
  if (!history.held_out.empty()) {
    const auto best =
        std::min_element(history.held_out.begin(), history.held_out.end(),
                         [](const auto& a, const auto& b) { return a.loss < b.loss; });
    const HeldOutRecord& last = history.held_out.back();
    table +=
        row("held-out loss", fmt::format("{:.4f}, {:.4f} bits per byte (best {:.4f}, step {})",
                                         last.loss, last.bits_per_byte, best->loss, best->step));
  }
  return table + "</table>\n";
}

std::string format_curves(const RunHistory& history) {
  const auto& steps = history.steps;
  if (steps.empty()) return "<p>No step has been taken yet.</p>\n";
  const auto loss = points_of(steps, [](auto& step) { return step.loss; });
  std::vector<PlotPoint> held_out;
  for (const HeldOutRecord& record : history.held_out) {
    held_out.push_back({static_cast<double>(record.step), record.loss});
  }
  std::string html;
  html += format_svg_plot({{"each step", "#4682b4", true, false, loss},
                           {"smoothed", "#4682b4", false, false, smoothed(loss)},
                           {"held out", "#d2691e", false, true, held_out}},
                          {"Loss (nats a token)", "step"});
  html += format_svg_plot({{"", "#2e8b57", false, false,
                            points_of(steps, [](auto& step) { return step.learning_rate; })}},
                          {"Learning rate", "step"});
  html += format_svg_plot({{"", "#8b5a9b", false, false,
                            points_of(steps, [](auto& step) { return step.gradient_norm; })}},
                          {"Norm of the gradient", "step", true});
  const auto batch = static_cast<double>(history.start.batch_tokens);
  html +=
      format_svg_plot({{"", "#708090", false, false,
                        points_of(steps, [batch](auto& step) { return batch / step.seconds; })}},
                      {"Tokens a second", "step"});
  return html;
}

std::string format_notes(const RunHistory& history) {
  std::string rows;
  for (const int64_t step : history.resumed) {
    rows += row(fmt::format("step {}", step), "resumed");
  }
  for (const RunNote& note : history.notes) {
    if (note.kind == "checkpoint") continue;
    rows += row(fmt::format("step {}", note.step),
                note.kind + (note.text.empty() ? "" : ": " + note.text));
  }
  return rows.empty() ? "" : "<h2>What happened</h2>\n<table>\n" + rows + "</table>\n";
}

}  // namespace

std::string format_run_report(const RunHistory& history) {
  const std::string name = escape_html(history.start.name);
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<title>{0}: training run</title>\n<style>{1}</style>\n</head>\n<body>\n<h1>{0}</h1>\n"
      "{2}<h2>Curves</h2>\n{3}{4}<h2>Settings</h2>\n<pre>{5}</pre>\n</body>\n</html>\n",
      name, kStyle, format_summary(history), format_curves(history), format_notes(history),
      escape_html(history.start.recipe));
}

}  // namespace minim::train
