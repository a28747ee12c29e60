// The whole of a server: connections, who may ask, the routes, and what they need.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "serve/api_keys.h"
#include "serve/call.h"
#include "serve/engine/model_registry.h"
#include "serve/http/server.h"
#include "serve/limits/rate_limits.h"
#include "serve/openai/responses/store.h"
#include "serve/telemetry/trace_exporter.h"

namespace minim::serve {

struct ServiceOptions {
  HttpServerOptions http;
  ApiKeys keys;
  // Of each holder of a key that has none of its own; without keys, of all together.
  RateLimit limit;
  ResponseStoreLimits responses;
  // Web pages of these origins may ask ("https://example.org"; "*": all); others may not, whatever
  // the browser would let them do.
  std::vector<std::string> origins;
  // Where the server listens on loopback: names that requests may call it by, besides localhost and
  // loopback addresses.
  std::vector<std::string> hosts;
  // Where the spans of requests are sent; nothing: nowhere.
  std::optional<TraceExporterOptions> traces;
  DataStore* data = nullptr;  // for files and batches; null: there are none. Must outlive it.
  int64_t texts_max = 256;    // that are generated or wait for it; more: 503
  GenerationLimits limits;
  // A line of JSON for each request that ended, without any of its content. From any thread; empty:
  // none.
  std::function<void(std::string_view line)> access_log;
};

class Service {
 public:
  // Listens, and serves. Throws what HttpServer throws. `models` must outlive it.
  Service(ModelRegistry& models, ServiceOptions options);
  ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  uint16_t port() const;
  HttpServerCounts counts() const;
  int64_t texts() const;  // that are generated or wait for it
  // For requests that come from now on. From any thread.
  void set_keys(ApiKeys keys);
  // As HttpServer has it; before that, responses in the background are finished, and those who
  // asked for them may come to take them, while nothing else is begun.
  bool drain(std::chrono::milliseconds timeout);
  void stop();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace minim::serve
