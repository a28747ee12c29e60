// Sends spans to a collector, as OTLP over HTTP in JSON, in batches and from a thread of its own:
// whoever has a span to tell never waits, and spans that nobody takes are dropped and counted.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/json.h"
#include "serve/http/client.h"
#include "serve/telemetry/span.h"

namespace minim::serve {

struct TraceExporterOptions {
  HttpUrl url;  // of the traces: ".../v1/traces"
  std::vector<HttpHeader> headers;
  // Of the resource: service.name, service.version and others.
  std::vector<std::pair<std::string, std::string>> resource;
  size_t queue_max = 2048;  // spans that wait; more are dropped
  size_t batch_max = 512;
  std::chrono::milliseconds delay{5000};  // from a span to its batch
  std::chrono::milliseconds timeout{10'000};
  // How often a batch is tried again that the collector could not take now, with pauses that
  // double.
  int tries_max = 4;
  std::chrono::milliseconds pause{1000};
  // Told once, when spans cannot be sent. From the exporter's thread.
  std::function<void(const std::string&)> warn;
};

// By the address of a collector ("http://localhost:4318", to which the path is added), or, where
// that is empty, by the environment as the OpenTelemetry standard has it
// (OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, OTEL_EXPORTER_OTLP_ENDPOINT); OTEL_EXPORTER_OTLP_HEADERS,
// OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES in either case. Nothing where neither names one,
// or OTEL_SDK_DISABLED is true. Throws kInvalidArgument for what makes no sense there.
std::optional<TraceExporterOptions> trace_options(
    const std::string& collector, const std::function<const char*(const char*)>& environment);

struct TraceCounts {
  int64_t sent = 0;
  int64_t dropped = 0;
};

class TraceExporter {
 public:
  explicit TraceExporter(TraceExporterOptions options);
  // Tries once, and not for long, to send what is left.
  ~TraceExporter();
  TraceExporter(const TraceExporter&) = delete;
  TraceExporter& operator=(const TraceExporter&) = delete;

  // From any thread; never waits.
  void add(Span span);
  TraceCounts counts() const;

 private:
  enum class Outcome { kSent, kTryAgain, kRefused };

  void loop();
  std::vector<Span> take_batch();
  void send(const std::vector<Span>& batch);
  Outcome try_to_send(const std::string& body, std::string& why, int64_t& rejected);
  bool pause(std::chrono::milliseconds time);
  void drop(size_t spans, const std::string& why);

  const TraceExporterOptions options_;
  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::deque<Span> waiting_;
  TraceCounts counts_;
  bool stopping_ = false;

  bool warned_ = false;  // of the thread
  std::thread thread_;
};

// An ExportTraceServiceRequest (opentelemetry-proto, trace/v1), in its JSON form.
OrderedJson otlp_json(const std::vector<Span>& spans, const TraceExporterOptions& options);

}  // namespace minim::serve
