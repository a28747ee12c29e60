#include "cli/top/metrics_text.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace minim::cli {
namespace {

TEST(MetricsText, IsRead) {
  const MetricsText text(
      "# HELP a Of b.\n# TYPE a counter\na{route=\"/x\",status=\"200\"} 3\n"
      "a{route=\"/\\\"y\",status=\"429\"} 4\nb 1.5e3 1700000000\n\nc{} +Inf\n");
  EXPECT_EQ(text.sum("a"), 7);
  EXPECT_EQ(text.sum("a", "status", "429"), 4);
  EXPECT_EQ(text.values("a", "route"), (std::vector<std::string>{"/x", "/\"y"}));
  EXPECT_EQ(text.sum("b"), 1500);
  EXPECT_TRUE(text.has("c"));
  EXPECT_FALSE(text.has("d"));
  for (const char* wrong : {"a", "a b", "{x=\"1\"} 1", "a{x=\"1} 1", "a{x=\"1\"", "a{x=1} 1",
                            "a 1x", "<html>", "a{x=\"\\"}) {
    EXPECT_THROW(MetricsText{wrong}, Error) << wrong;
  }
}

TEST(MetricsText, HistogramsTellQuantilesOfTheTimeBetween) {
  const auto text = [](int below_1, int below_2, int all) {
    return MetricsText("h_bucket{le=\"1\"} " + std::to_string(below_1) + "\nh_bucket{le=\"2\"} " +
                       std::to_string(below_2) + "\nh_bucket{le=\"+Inf\"} " + std::to_string(all) +
                       "\nh_count " + std::to_string(all) + "\n");
  };
  const MetricsText before = text(100, 100, 100);
  const MetricsText after = text(101, 105, 106);
  EXPECT_NEAR(*histogram_quantile(before, after, "h", 0.5), 1.5, 1e-9);
  EXPECT_EQ(*histogram_quantile(before, after, "h", 0.99), 2);  // beyond the last bound
  EXPECT_NEAR(*histogram_quantile(before, after, "h", 1.0 / 12), 0.5, 1e-9);
  EXPECT_FALSE(histogram_quantile(after, after, "h", 0.5).has_value());
  EXPECT_FALSE(histogram_quantile({}, after, "g", 0.5).has_value());
}

}  // namespace
}  // namespace minim::cli
