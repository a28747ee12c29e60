// Numbers that a server tells in Prometheus' text format, read again.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace minim::cli {

struct Metric {
  std::string name;
  std::map<std::string, std::string> labels;
  double value = 0;
};

class MetricsText {
 public:
  MetricsText() = default;
  // Throws kFormat for a line that is no metric.
  explicit MetricsText(std::string_view text);

  bool has(std::string_view name) const;
  // The sum over all labels; 0 where there is none.
  double sum(std::string_view name) const;
  // The same of those whose label has this value.
  double sum(std::string_view name, const std::string& label, std::string_view value) const;
  // The values of a label, in order.
  std::vector<std::string> values(std::string_view name, const std::string& label) const;
  std::vector<const Metric*> all(std::string_view name) const;

 private:
  std::vector<Metric> metrics_;
};

// What a histogram says of the time between two readings: the value below which this share lies,
// interpolated within its bucket. Nothing where nothing was counted.
std::optional<double> histogram_quantile(const MetricsText& before, const MetricsText& after,
                                         const std::string& name, double share);

}  // namespace minim::cli
