#include "bench/serve/report.h"

#include <fmt/core.h>

#include <optional>

namespace minim::bench {
namespace {

std::optional<double> median_of(const ServeSamples& samples, const std::string& figure) {
  const auto found = samples.values.find(figure);
  if (found == samples.values.end() || found->second.empty()) return std::nullopt;
  return quantile(found->second, 0.5);
}

std::string format_value(double value) {
  return value >= 100  ? fmt::format("{:.0f}", value)
         : value >= 10 ? fmt::format("{:.1f}", value)
                       : fmt::format("{:.2f}", value);
}

// How far minim (the first) is ahead of the best other one.
std::string advantage(const Figure& figure, const std::vector<ServeSamples>& samples) {
  const auto ours = median_of(samples[0], figure.name);
  std::optional<double> best;
  for (size_t i = 1; i < samples.size(); ++i) {
    const auto theirs = median_of(samples[i], figure.name);
    if (!theirs) continue;
    if (!best || (figure.more_is_better ? *theirs > *best : *theirs < *best)) best = theirs;
  }
  if (!ours || !best || *ours <= 0 || *best <= 0) return "-";
  return format_value(figure.more_is_better ? *ours / *best : *best / *ours) + "x";
}

}  // namespace

std::string format_serve_markdown(const std::vector<Figure>& figures,
                                  const std::vector<ServeSamples>& samples,
                                  const ServeSetting& setting) {
  std::string text =
      fmt::format("{}; {}\n\n```\n{}\n```\n\n| |", setting.model, setting.machine, setting.command);
  for (const ServeSamples& one : samples) text += fmt::format(" {} |", one.engine);
  if (samples.size() > 1) text += " ahead |";
  text += "\n|---|";
  for (size_t i = 0; i < samples.size() + (samples.size() > 1 ? 1 : 0); ++i) text += "---|";
  for (const Figure& figure : figures) {
    text += fmt::format("\n| {}, {} |", figure.name, figure.unit);
    for (const ServeSamples& one : samples) {
      const auto value = median_of(one, figure.name);
      text += fmt::format(" {} |", value ? format_value(*value) : "-");
    }
    if (samples.size() > 1) text += fmt::format(" {} |", advantage(figure, samples));
  }
  text += "\n";
  for (const ServeSamples& one : samples) {
    if (!one.problem.empty()) text += fmt::format("\n- {}: {}\n", one.engine, one.problem);
  }
  return text;
}

OrderedJson format_serve_json(const std::vector<Figure>& figures,
                              const std::vector<ServeSamples>& samples,
                              const ServeSetting& setting) {
  OrderedJson rows = OrderedJson::array();
  for (const Figure& figure : figures) {
    OrderedJson row = {
        {"figure", figure.name}, {"unit", figure.unit}, {"more_is_better", figure.more_is_better}};
    for (const ServeSamples& one : samples) {
      const auto found = one.values.find(figure.name);
      row["rounds"][one.engine] =
          found == one.values.end() ? OrderedJson::array() : OrderedJson(found->second);
    }
    rows.push_back(std::move(row));
  }
  OrderedJson problems = OrderedJson::object();
  for (const ServeSamples& one : samples) {
    if (!one.problem.empty()) problems[one.engine] = one.problem;
  }
  return {{"model", setting.model},
          {"machine", setting.machine},
          {"command", setting.command},
          {"problems", std::move(problems)},
          {"figures", std::move(rows)}};
}

}  // namespace minim::bench
