// A collector of traces, for tests: it keeps what it is sent, or refuses it.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "serve/http/server.h"
#include "serve/telemetry/trace_exporter.h"

namespace minim::serve::testing {

class TraceCollector {
 public:
  TraceCollector() {
    server_ = std::make_unique<HttpServer>(
        HttpServerOptions{}, [this](const std::shared_ptr<Exchange>& exchange) { take(exchange); },
        HttpHooks{.refuse = [](int code, const std::string& message) {
          return HttpResponse{.status = code, .body = message};
        }});
    server_->start();
  }

  TraceExporterOptions options() const {
    TraceExporterOptions options{
        .url =
            parse_http_url("http://127.0.0.1:" + std::to_string(server_->port()) + "/v1/traces")};
    options.resource = {{"service.name", "test"}};
    options.delay = std::chrono::milliseconds(1);
    options.pause = std::chrono::milliseconds(1);
    return options;
  }
  void close() { server_.reset(); }

  std::vector<OrderedJson> requests() {
    const std::lock_guard lock(mutex_);
    return requests_;
  }
  std::vector<OrderedJson> spans() {
    std::vector<OrderedJson> spans;
    for (const OrderedJson& request : requests()) {
      for (const OrderedJson& span : request["resourceSpans"][0]["scopeSpans"][0]["spans"]) {
        spans.push_back(span);
      }
    }
    return spans;
  }
  // The value of an attribute, whatever its type; null where there is none.
  static OrderedJson attribute(const OrderedJson& span, std::string_view key) {
    for (const OrderedJson& each : span["attributes"]) {
      if (each["key"] == key) return each["value"].front();
    }
    return nullptr;
  }

  std::atomic<int> status{200};
  std::string reply = "{}";
  std::vector<HttpHeader> headers;  // of the last request

 private:
  void take(const std::shared_ptr<Exchange>& exchange) {
    const HttpRequest& request = exchange->request();
    {
      const std::lock_guard lock(mutex_);
      if (status == 200 && request.path == "/v1/traces" && request.method == "POST") {
        requests_.push_back(OrderedJson::parse(request.body));
      }
      headers = request.headers;
    }
    exchange->respond({.status = status, .body = reply});
  }

  std::mutex mutex_;  // guards what follows, and the headers
  std::vector<OrderedJson> requests_;
  std::unique_ptr<HttpServer> server_;
};

}  // namespace minim::serve::testing
