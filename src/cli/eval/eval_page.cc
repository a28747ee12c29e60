#include "cli/eval/eval_page.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "cli/eval/figure_text.h"
#include "train/run/svg_plot.h"

namespace minim::cli {
namespace {

using train::escape_html;

constexpr const char* kStyle = R"(
:root { color-scheme: light dark; --line: #8884; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 860px; margin: 2em auto; padding: 0 1em; }
h1 { font-size: 1.5em; } h2 { font-size: 1.15em; margin-top: 2em; }
table { border-collapse: collapse; width: 100%; }
td, th { padding: .2em 1em .2em 0; text-align: left; vertical-align: top; }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.bar { width: 40%; padding-right: 0; } svg { display: block; width: 100%; height: 16px; }
svg .axis { stroke: var(--line); } svg .interval { stroke: currentColor; stroke-width: 1.5; }
.wrong { opacity: .65; } .notes { opacity: .7; }
code { white-space: pre-wrap; overflow-wrap: anywhere; }
summary { cursor: pointer; margin-top: .6em; }
)";

constexpr std::array<const char*, 4> kColors = {"#3b82c4", "#d97b29", "#4a9a5b", "#9a5bb0"};
constexpr double kBarWidth = 300;
constexpr size_t kAnswersMax = 20;  // of each task

const MetricResult* find(const EvalResult& result, const TaskResult& task, Metric metric) {
  for (const TaskResult& other : result.tasks) {
    if (other.name != task.name) continue;
    for (const MetricResult& found : other.metrics) {
      if (found.metric == metric) return &found;
    }
  }
  return nullptr;
}

// The value that the longest bar has room for.
double scale_of(Metric metric, double highest) {
  if (is_share(metric)) return 1;
  if (metric == Metric::kBleu) return 100;
  return highest > 0 ? 1.1 * highest : 1;
}

std::string bar(const Interval& interval, double scale, const char* color) {
  const auto at = [&](double value) { return std::clamp(value / scale, 0.0, 1.0) * kBarWidth; };
  return fmt::format(
      "<svg viewBox=\"0 0 {0} 16\" preserveAspectRatio=\"none\" role=\"img\">"
      "<line class=\"axis\" x1=\"0\" y1=\"15.5\" x2=\"{0}\" y2=\"15.5\"/>"
      "<rect x=\"0\" y=\"3\" width=\"{1:.1f}\" height=\"10\" fill=\"{2}\"/>"
      "<line class=\"interval\" x1=\"{3:.1f}\" y1=\"8\" x2=\"{4:.1f}\" y2=\"8\"/></svg>",
      kBarWidth, at(interval.value), color, at(interval.low), at(interval.high));
}

std::string figure_rows(const std::vector<const EvalResult*>& results, const TaskResult& task,
                        Metric metric) {
  double highest = 0;
  for (const EvalResult* result : results) {
    const MetricResult* found = find(*result, task, metric);
    if (found != nullptr) highest = std::max(highest, found->interval.high);
  }
  std::string rows;
  for (size_t i = 0; i < results.size(); ++i) {
    const MetricResult* found = find(*results[i], task, metric);
    if (found == nullptr) continue;
    const Interval& interval = found->interval;
    rows += fmt::format("<tr><td>{}</td><td>{}</td>", i == 0 ? escape_html(title_of(task)) : "",
                        i == 0 ? metric_name(metric) : "");
    if (results.size() > 1) rows += fmt::format("<td>{}</td>", escape_html(results[i]->model));
    rows += fmt::format(
        "<td class=\"number\">{}</td><td class=\"number\">{}</td>"
        "<td class=\"number\">{}</td><td class=\"bar\">{}</td></tr>\n",
        task.outcomes.size(), format_value(metric, interval.value),
        format_interval(metric, interval),
        bar(interval, scale_of(metric, highest), kColors[i % kColors.size()]));
  }
  return rows;
}

std::string answers_of(const TaskResult& task) {
  if (task.window_tokens > 0) return "";
  std::string text = fmt::format("<details><summary>{}: the first answers</summary>\n<table>\n",
                                 escape_html(title_of(task)));
  text += "<tr><th>item</th><th>expected</th><th>given</th></tr>\n";
  for (size_t i = 0; i < std::min(kAnswersMax, task.outcomes.size()); ++i) {
    const TaskOutcome& outcome = task.outcomes[i];
    text += fmt::format("<tr{}><td>{}</td><td><code>{}</code></td><td><code>{}</code></td></tr>\n",
                        outcome.right ? "" : " class=\"wrong\"", escape_html(outcome.origin),
                        escape_html(outcome.expected), escape_html(outcome.given));
  }
  return text + "</table></details>\n";
}

std::string describe(const EvalResult& result) {
  std::string text = fmt::format("<p><b>{}</b>, {:.2f} M parameters", escape_html(result.model),
                                 static_cast<double>(result.parameters) / 1e6);
  if (result.bytes > 0) text += fmt::format(", {:.1f} MB", static_cast<double>(result.bytes) / 1e6);
  text += fmt::format("; {}", escape_html(result.version));
  if (result.limit > 0) text += fmt::format("; at most {} items of each task", result.limit);
  if (!result.sha256.empty()) text += fmt::format("<br>SHA-256 <code>{}</code>", result.sha256);
  return text + "</p>\n";
}

}  // namespace

std::string format_eval_page(const std::vector<const EvalResult*>& results) {
  const EvalResult& first = *results.front();
  std::string title;
  for (const EvalResult* result : results) title += (title.empty() ? "" : " and ") + result->model;
  std::string page = fmt::format(
      "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">\n<title>{0}</title>\n"
      "<style>{1}</style>\n<h1>Evaluation of {0}</h1>\n",
      escape_html(title), kStyle);
  for (const EvalResult* result : results) page += describe(*result);
  page += "<table>\n<tr><th>task</th><th>metric</th>";
  if (results.size() > 1) page += "<th>model</th>";
  page += "<th>items</th><th>value</th><th>95 % interval</th><th></th></tr>\n";
  std::string notes;
  std::string answers;
  for (const TaskResult& task : first.tasks) {
    for (const MetricResult& metric : task.metrics) {
      page += figure_rows(results, task, metric.metric);
    }
    notes += format_notes(task);
    if (results.size() == 1) answers += answers_of(task);
  }
  page += "</table>\n";
  if (!notes.empty()) page += fmt::format("<pre class=\"notes\">{}</pre>\n", escape_html(notes));
  return page + answers + "</html>\n";
}

}  // namespace minim::cli
