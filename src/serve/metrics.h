// What a server counts, as Prometheus reads it.
#pragma once

#include <array>
#include <cstdint>
#include <ctime>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "base/energy_meter.h"
#include "runtime/generation_event.h"
#include "serve/http/exchange.h"

namespace minim::serve {

struct ServerParts;

// From any thread.
class Metrics {
 public:
  // A request has ended. `route`: the pattern of its path, so that there are few.
  void add_request(const std::string& route, const HttpOutcome& outcome);
  // A text is complete, or broken off.
  void add_text(const GenerationStatistics& statistics);
  // The seconds between two tokens of a text, as they were told.
  void add_gap(double seconds);

  // The text exposition format, version 0.0.4.
  std::string text(const ServerParts& parts) const;

 private:
  // Cumulative counts up to each bound.
  class Histogram {
   public:
    void add(double seconds);
    void write(std::string& out, const char* name, const char* help) const;

   private:
    static constexpr std::array<double, 12> kBounds = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                                       0.1,   0.25,   0.5,   1,    2.5,   10};
    std::array<int64_t, kBounds.size() + 1> counts_ = {};
    double sum_ = 0;
  };

  void write_energy(std::string& out) const;
  static void write_server(std::string& out, const ServerParts& parts);

  mutable std::mutex mutex_;                                 // guards what follows
  std::map<std::pair<std::string, int>, int64_t> requests_;  // by route and status
  int64_t left_ = 0;                                         // requests whose clients went away
  int64_t prompt_tokens_ = 0;
  int64_t cached_tokens_ = 0;
  int64_t generated_tokens_ = 0;
  Histogram request_seconds_;
  Histogram first_token_seconds_;
  Histogram each_token_seconds_;
  Histogram gap_seconds_;
  std::map<EnergySource, double> joules_;
  const double started_ = static_cast<double>(std::time(nullptr));  // seconds since 1970
};

}  // namespace minim::serve
