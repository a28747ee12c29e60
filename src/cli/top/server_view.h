// A running server in a few lines: what it does now, how fast, and what it holds.
#pragma once

#include <chrono>
#include <deque>
#include <string>
#include <vector>

#include "cli/top/metrics_text.h"

namespace minim::cli {

struct ServerReading {
  MetricsText metrics;
  std::chrono::steady_clock::time_point time;
};

class ServerView {
 public:
  explicit ServerView(std::string address) : address_(std::move(address)) {}

  void add(ServerReading reading);
  // Rates are those since the reading before, quantiles those of the last minute. REQUIRES: add()
  // was called.
  std::vector<std::string> lines() const;

 private:
  double rate(const char* name) const;
  std::string requests_line() const;
  std::string tokens_line() const;
  std::string quantile_line(const char* title, const char* name) const;
  std::string cache_line() const;
  std::string energy_line() const;
  void add_models(std::vector<std::string>& lines) const;

  const MetricsText& now() const { return readings_.back().metrics; }

  const std::string address_;
  std::deque<ServerReading> readings_;  // of the last minute, and at least two of them
};

}  // namespace minim::cli
