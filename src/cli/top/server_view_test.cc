#include "cli/top/server_view.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace minim::cli {
namespace {

using namespace std::chrono_literals;

ServerReading reading(std::chrono::seconds at, int generated, const std::string& more = {}) {
  const std::string count = std::to_string(generated);
  return {MetricsText("process_start_time_seconds 5\nminim_generated_tokens_total " + count +
                      "\nminim_token_gap_seconds_bucket{le=\"0.001\"} " + count +
                      "\nminim_token_gap_seconds_bucket{le=\"+Inf\"} " + count +
                      "\nminim_token_gap_seconds_count " + count + "\n" + more),
          std::chrono::steady_clock::time_point(at)};
}

std::string line(const ServerView& view, const std::string& title) {
  for (const std::string& each : view.lines()) {
    if (each.starts_with(title)) return each.substr(14);
  }
  return {};
}

TEST(ServerView, TellsRatesAndQuantiles) {
  ServerView view("http://x");
  view.add(reading(10s, 100));
  EXPECT_EQ(line(view, "tokens/s"), "0.0 of prompts, 0.0 of answers; in all 0 and 100");
  EXPECT_EQ(line(view, "token gap"), "p50 0.5 ms, p95 0.9 ms (since it was started)");
  EXPECT_EQ(line(view, "first token"), "none yet");
  view.add(reading(12s, 130));
  EXPECT_EQ(line(view, "tokens/s"), "0.0 of prompts, 15.0 of answers; in all 0 and 130");
  EXPECT_EQ(line(view, "token gap"), "p50 0.5 ms, p95 0.9 ms (the last minute)");
  // Started anew.
  ServerReading anew = reading(14s, 3, "process_start_time_seconds 13\n");
  view.add(std::move(anew));
  EXPECT_EQ(line(view, "tokens/s"), "0.0 of prompts, 0.0 of answers; in all 0 and 3");
}

TEST(ServerView, TellsHowRequestsEndedAndWhatIsLoaded) {
  ServerView view("http://x");
  view.add(reading(0s, 0,
                   "minim_requests_active 2\nminim_requests_total{route=\"/a\",status=\"200\"} 9\n"
                   "minim_requests_total{route=\"/a\",status=\"429\"} 3\n"
                   "minim_requests_total{route=\"/a\",status=\"400\"} 4\n"
                   "minim_requests_total{route=\"/a\",status=\"504\"} 1\n"
                   "minim_weight_bytes{model=\"a\x1b[2J\"} 2000000\n"
                   "minim_jobs_running{model=\"a\x1b[2J\"} 2\n"
                   "minim_energy_joules_total{source=\"estimate\"} 10\n"
                   "minim_prompt_tokens_total 100\n"));
  EXPECT_EQ(line(view, "requests"), "2 now, 17 ended: 3 rate-limited, 4 refused, 1 failed, 0 left");
  const std::string model = line(view, "models");
  EXPECT_EQ(model.find('\x1b'), std::string::npos);
  EXPECT_NE(model.find("2.00 MB of weights, 2 texts generated, 0 wait"), std::string::npos)
      << model;
  EXPECT_EQ(line(view, "energy"), "10.0 J for texts that ended, 0.100 J a token, estimated");
}

}  // namespace
}  // namespace minim::cli
