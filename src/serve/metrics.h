// What a server counts, as Prometheus reads it.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "serve/engine/model_registry.h"
#include "serve/http/server.h"

namespace minim::serve {

// From any thread.
class Metrics {
 public:
  // A request has ended. `route`: the pattern of its path, so that there are few.
  void add_request(const std::string& route, const HttpOutcome& outcome);
  void add_tokens(int64_t prompt, int64_t cached, int64_t generated);
  // Of one text, in seconds.
  void add_latencies(double first_token, double each_token);

  // The text exposition format, version 0.0.4.
  std::string text(const HttpServerCounts& http, int64_t texts, const ModelRegistry& models) const;

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

  mutable std::mutex mutex_;                                 // guards what follows
  std::map<std::pair<std::string, int>, int64_t> requests_;  // by route and status
  int64_t left_ = 0;                                         // requests whose clients went away
  int64_t prompt_tokens_ = 0;
  int64_t cached_tokens_ = 0;
  int64_t generated_tokens_ = 0;
  Histogram request_seconds_;
  Histogram first_token_seconds_;
  Histogram each_token_seconds_;
};

}  // namespace minim::serve
