#include "train/run/svg_plot.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

namespace minim::train {
namespace {

constexpr double kWidth = 760, kHeight = 260;
constexpr double kLeft = 64, kRight = 16, kTop = 30, kBottom = 38;
constexpr int kTicks = 5;

struct Range {
  double low = 0, high = 1;
};

// The values that a scale runs over: all of them, and a little more.
class Scale {
 public:
  Scale(const std::vector<PlotCurve>& curves, bool log_y) : log_y_(log_y) {
    bool any = false;
    for (const PlotCurve& curve : curves) {
      for (const PlotPoint& point : curve.points) {
        if (!drawable(point)) continue;
        const double y = transformed(point.y);
        x_ = any ? Range{std::min(x_.low, point.x), std::max(x_.high, point.x)}
                 : Range{point.x, point.x};
        y_ = any ? Range{std::min(y_.low, y), std::max(y_.high, y)} : Range{y, y};
        any = true;
      }
    }
    widen(x_, 0);
    widen(y_, 0.05);
  }

  bool drawable(const PlotPoint& point) const {
    return std::isfinite(point.x) && std::isfinite(point.y) && (!log_y_ || point.y > 0);
  }
  double x(double value) const {
    return kLeft + (value - x_.low) / (x_.high - x_.low) * (kWidth - kLeft - kRight);
  }
  double y(double value) const { return y_of(transformed(value)); }

  // Round values within the range, and where they are.
  std::vector<std::pair<double, double>> x_ticks() const {
    std::vector<std::pair<double, double>> ticks;
    for (const double value : round_values(x_)) ticks.emplace_back(value, x(value));
    return ticks;
  }
  std::vector<std::pair<double, double>> y_ticks() const {
    std::vector<std::pair<double, double>> ticks;
    for (const double value : round_values(y_)) {
      ticks.emplace_back(log_y_ ? std::pow(10, value) : value, y_of(value));
    }
    return ticks;
  }

 private:
  double transformed(double value) const { return log_y_ ? std::log10(value) : value; }
  double y_of(double value) const {
    return kHeight - kBottom - (value - y_.low) / (y_.high - y_.low) * (kHeight - kTop - kBottom);
  }
  static void widen(Range& range, double share) {
    const double width = range.high - range.low;
    if (!(width > 0)) {
      const double half = std::max(std::abs(range.low) * 0.1, 1e-12);
      range = {range.low - half, range.high + half};
      return;
    }
    range = {range.low - share * width, range.high + share * width};
  }
  static std::vector<double> round_values(const Range& range) {
    const double rough = (range.high - range.low) / kTicks;
    const double power = std::pow(10, std::floor(std::log10(rough)));
    const double digit = rough / power;
    const double step = power * (digit < 1.5 ? 1 : digit < 3.5 ? 2 : digit < 7.5 ? 5 : 10);
    std::vector<double> values;
    const double first = std::ceil(range.low / step);
    for (double i = first; i * step <= range.high && values.size() < 20; ++i) {
      values.push_back(i * step == 0 ? 0 : i * step);
    }
    return values;
  }

  bool log_y_;
  Range x_, y_;
};

std::string draw_axes(const Scale& scale, const PlotOptions& options) {
  std::string svg;
  for (const auto& [value, y] : scale.y_ticks()) {
    svg += fmt::format(
        "<line class=\"grid\" x1=\"{:.1f}\" x2=\"{:.1f}\" y1=\"{:.1f}\" "
        "y2=\"{:.1f}\"/><text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"end\">{:.4g}"
        "</text>\n",
        kLeft, kWidth - kRight, y, y, kLeft - 6, y + 4, value);
  }
  for (const auto& [value, x] : scale.x_ticks()) {
    svg += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">{:.6g}</text>\n", x,
                       kHeight - kBottom + 16, value);
  }
  svg += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">{}</text>\n",
                     (kLeft + kWidth - kRight) / 2, kHeight - 6, escape_html(options.x_label));
  svg += fmt::format("<text class=\"title\" x=\"{:.1f}\" y=\"16\">{}</text>\n", kLeft,
                     escape_html(options.title));
  return svg;
}

// One segment of a curve: its points by the pixel column that they fall into.
std::string draw_line(const std::vector<PlotPoint>& points, const Scale& scale) {
  std::string path;
  size_t i = 0;
  bool begun = false;
  while (i < points.size()) {
    if (!scale.drawable(points[i])) {
      begun = false;
      ++i;
      continue;
    }
    const double column = std::floor(scale.x(points[i].x));
    double low = points[i].y, high = points[i].y;
    size_t next = i;
    while (next < points.size() && scale.drawable(points[next]) &&
           std::floor(scale.x(points[next].x)) == column) {
      low = std::min(low, points[next].y);
      high = std::max(high, points[next].y);
      ++next;
    }
    path += fmt::format("{}{:.1f} {:.1f}", begun ? "L" : "M", scale.x(points[i].x), scale.y(high));
    if (low != high) {
      path += fmt::format("L{:.1f} {:.1f}", scale.x(points[next - 1].x), scale.y(low));
    }
    begun = true;
    i = next;
  }
  return path;
}

std::string draw_curve(const PlotCurve& curve, const Scale& scale) {
  std::string svg;
  if (!curve.dots) {
    return fmt::format(
        "<path d=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"1.5\" "
        "opacity=\"{}\"/>\n",
        draw_line(curve.points, scale), curve.color, curve.faint ? 0.3 : 1.0);
  }
  for (const PlotPoint& point : curve.points) {
    if (!scale.drawable(point)) continue;
    svg += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\" fill=\"{}\"/>\n",
                       scale.x(point.x), scale.y(point.y), curve.color);
  }
  return svg;
}

}  // namespace

std::string escape_html(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '&': escaped += "&amp;"; break;
      case '<': escaped += "&lt;"; break;
      case '>': escaped += "&gt;"; break;
      case '"': escaped += "&quot;"; break;
      case '\'': escaped += "&#39;"; break;
      default: escaped += c;
    }
  }
  return escaped;
}

std::string format_svg_plot(const std::vector<PlotCurve>& curves, const PlotOptions& options) {
  const Scale scale(curves, options.log_y);
  std::string svg = fmt::format("<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">\n",
                                kWidth, kHeight, escape_html(options.title));
  svg += draw_axes(scale, options);
  double legend = kWidth - kRight;
  for (auto curve = curves.rbegin(); curve != curves.rend(); ++curve) {
    if (curve->label.empty()) continue;
    svg += fmt::format(
        "<text x=\"{:.1f}\" y=\"16\" text-anchor=\"end\" style=\"fill:{}\">{}"
        "</text>\n",
        legend, curve->color, escape_html(curve->label));
    legend -= 8.0 * static_cast<double>(curve->label.size()) + 16;
  }
  for (const PlotCurve& curve : curves) svg += draw_curve(curve, scale);
  return svg + "</svg>\n";
}

}  // namespace minim::train
