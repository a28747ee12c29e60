#include "cli/top/metrics_text.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "base/error.h"

namespace minim::cli {
namespace {

[[noreturn]] void refuse(std::string_view line) {
  throw Error(ErrorCode::kFormat, fmt::format("metrics: '{}' is no line of Prometheus' text format",
                                              line.substr(0, 80)));
}

// The labels from '{' on; returns what follows '}'.
std::string_view read_labels(std::string_view line, std::string_view rest, Metric& metric) {
  rest.remove_prefix(1);
  while (!rest.starts_with('}')) {
    const size_t equals = rest.find("=\"");
    if (equals == std::string_view::npos) refuse(line);
    std::string& value = metric.labels[std::string(rest.substr(0, equals))];
    rest.remove_prefix(equals + 2);
    while (!rest.starts_with('"')) {
      if (rest.starts_with('\\')) rest.remove_prefix(1);
      if (rest.empty()) refuse(line);
      value += rest.front();
      rest.remove_prefix(1);
    }
    rest.remove_prefix(1);
    if (rest.starts_with(',')) rest.remove_prefix(1);
    if (rest.empty()) refuse(line);
  }
  return rest.substr(1);
}

Metric read_metric(std::string_view line) {
  const size_t end = line.find_first_of("{ ");
  if (end == 0 || end == std::string_view::npos) refuse(line);
  Metric metric{.name = std::string(line.substr(0, end))};
  std::string_view rest = line.substr(end);
  if (rest.starts_with('{')) rest = read_labels(line, rest, metric);
  const std::string number(rest.substr(std::min(rest.find_first_not_of(' '), rest.size())));
  char* behind = nullptr;
  metric.value = std::strtod(number.c_str(), &behind);
  if (number.empty() || (*behind != '\0' && *behind != ' ')) refuse(line);
  return metric;
}

}  // namespace

MetricsText::MetricsText(std::string_view text) {
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = text.substr(begin, end - begin);
    begin = end + 1;
    if (!line.empty() && line.front() != '#') metrics_.push_back(read_metric(line));
  }
}

std::vector<const Metric*> MetricsText::all(std::string_view name) const {
  std::vector<const Metric*> found;
  for (const Metric& metric : metrics_) {
    if (metric.name == name) found.push_back(&metric);
  }
  return found;
}

bool MetricsText::has(std::string_view name) const { return !all(name).empty(); }

double MetricsText::sum(std::string_view name) const {
  double sum = 0;
  for (const Metric* metric : all(name)) sum += metric->value;
  return sum;
}

double MetricsText::sum(std::string_view name, const std::string& label,
                        std::string_view value) const {
  double sum = 0;
  for (const Metric* metric : all(name)) {
    const auto found = metric->labels.find(label);
    if (found != metric->labels.end() && found->second == value) sum += metric->value;
  }
  return sum;
}

std::vector<std::string> MetricsText::values(std::string_view name,
                                             const std::string& label) const {
  std::vector<std::string> values;
  for (const Metric* metric : all(name)) {
    const auto found = metric->labels.find(label);
    if (found != metric->labels.end()) values.push_back(found->second);
  }
  return values;
}

std::optional<double> histogram_quantile(const MetricsText& before, const MetricsText& after,
                                         const std::string& name, double share) {
  const std::string buckets = name + "_bucket";
  double lower = 0;
  double counted = 0;
  const double all = after.sum(name + "_count") - before.sum(name + "_count");
  if (!(all > 0)) return std::nullopt;
  for (const Metric* bucket : after.all(buckets)) {
    const auto bound = bucket->labels.find("le");
    if (bound == bucket->labels.end()) continue;
    const double upper = std::strtod(bound->second.c_str(), nullptr);
    const double count = bucket->value - before.sum(buckets, "le", bound->second);
    if (count >= share * all && count > counted) {
      if (std::isinf(upper)) return lower;
      return lower + (upper - lower) * (share * all - counted) / (count - counted);
    }
    lower = upper;
    counted = count;
  }
  return std::nullopt;
}

}  // namespace minim::cli
