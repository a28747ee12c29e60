// A plot of a few curves as an SVG element.
#pragma once

#include <string>
#include <vector>

namespace minim::train {

struct PlotPoint {
  double x = 0, y = 0;  // points that are not finite leave a gap
};

struct PlotCurve {
  std::string label;
  std::string color;  // of CSS
  bool faint = false;
  bool dots = false;  // points instead of a line
  std::vector<PlotPoint> points;
};

struct PlotOptions {
  std::string title;
  std::string x_label;
  bool log_y = false;  // values that are not positive are left out
};

// At most some hundred points of a curve are drawn: of neighbours that share a pixel, the lowest
// and the highest.
std::string format_svg_plot(const std::vector<PlotCurve>& curves, const PlotOptions& options);

// &, <, > and quotes as entities.
std::string escape_html(const std::string& text);

}  // namespace minim::train
