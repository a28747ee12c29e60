#include "train/run/run_report.h"

#include <gtest/gtest.h>

#include <cmath>

#include "train/run/svg_plot.h"

namespace minim::train {
namespace {

RunHistory history_of(int64_t steps) {
  RunHistory history;
  history.start = {.name = "toy <b>",
                   .recipe = "data: \"<|end|>\"\n",
                   .version = "1",
                   .machine = "x & y",
                   .step_count = 1000,
                   .parameters = 1500000,
                   .batch_tokens = 64,
                   .time = 1700000000};
  for (int64_t step = 1; step <= steps; ++step) {
    const double loss = step == 7 ? std::nan("") : 5.0 / static_cast<double>(step);
    history.steps.push_back({step, 64u * static_cast<uint64_t>(step), loss, 0.01, 1.0, 0.5, 0.6});
  }
  return history;
}

TEST(RunReport, NeedsNothingFromOutsideAndEscapes) {
  RunHistory history = history_of(500);
  history.held_out = {{100, 4.0, 2.0}, {200, 3.0, 1.5}, {300, 3.5, 1.75}};
  history.notes = {{7, "skipped", "the loss is not finite"}, {8, "checkpoint", ""}};
  history.resumed = {250};
  const std::string html = format_run_report(history);
  for (const char* word :
       {"<script", "http", "src=", "href=", "url(", "@import", "<b>", "nan", "inf"}) {
    EXPECT_EQ(html.find(word), std::string::npos) << word;
  }
  for (const char* word :
       {"toy &lt;b&gt;", "x &amp; y", "&lt;|end|&gt;", "1.50 M", "500 of 1000", "128 (median)",
        "3.5000, 1.7500 bits per byte (best 3.0000, step 200)", "2023-11-14 22:13 UTC",
        "the loss is not finite", "resumed", "Learning rate"}) {
    EXPECT_NE(html.find(word), std::string::npos) << word;
  }
  EXPECT_EQ(html.find("checkpoint"), std::string::npos);
}

TEST(RunReport, RunsThatHaveBarelyBegun) {
  EXPECT_NE(format_run_report(history_of(0)).find("No step"), std::string::npos);
  EXPECT_EQ(format_run_report(history_of(1)).find("nan"), std::string::npos);
}

TEST(SvgPlot, LongCurvesStaySmallAndKeepTheirExtremes) {
  PlotCurve curve = {"", "red", false, false, {}};
  for (int i = 0; i < 100000; ++i) {
    curve.points.push_back({static_cast<double>(i), i == 50000 ? 10.0 : std::sin(i)});
  }
  const std::string svg = format_svg_plot({curve}, {"t", "x"});
  EXPECT_LT(svg.size(), 40000u);
  EXPECT_NE(svg.find(">10<"), std::string::npos);
}

TEST(SvgPlot, GapsAndLogarithms) {
  const PlotCurve curve = {
      "", "red", false, false, {{0, 1}, {1, std::nan("")}, {2, 100}, {3, 0}, {4, 10}}};
  const std::string svg = format_svg_plot({curve}, {"t", "x", true});
  EXPECT_EQ(svg.find("nan"), std::string::npos);
  size_t moves = 0;
  for (const char c : svg.substr(svg.find("<path"))) moves += c == 'M';
  EXPECT_EQ(moves, 3u);
}

}  // namespace
}  // namespace minim::train
