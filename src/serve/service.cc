#include "serve/service.h"

#include <fmt/core.h>

#include <algorithm>
#include <atomic>
#include <ctime>
#include <mutex>
#include <thread>
#include <utility>

#include "serve/engine/energy_shares.h"
#include "serve/http/detached_exchange.h"
#include "serve/metrics.h"
#include "serve/openai/batches/batch_runner.h"
#include "serve/request/json_text.h"
#include "serve/routes.h"
#include "serve/telemetry/generation_trace.h"

namespace minim::serve {
namespace {

constexpr int kWorkThreads = 2;
constexpr size_t kWorkWaitingMax = 256;
constexpr std::chrono::milliseconds kDrainPause{10};

std::string_view presented_key(const HttpRequest& request) {
  constexpr std::string_view kBearer = "Bearer ";
  if (const auto header = request.header("authorization")) {
    if (equal_ignoring_case(header->substr(0, kBearer.size()), kBearer)) {
      return header->substr(kBearer.size());
    }
  }
  return request.header("x-api-key").value_or(std::string_view());
}

bool is_loopback(std::string_view host) {
  return host == "localhost" || host.starts_with("127.") || host == "::1" || host == "[::1]";
}

// "localhost:8080" without its port.
std::string_view host_name(std::string_view host) {
  const size_t bracket = host.rfind(']');
  const size_t colon = host.find(':', bracket == std::string_view::npos ? 0 : bracket);
  return host.substr(0, colon);
}

std::string utc_time() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  char text[32];
  return {text, std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc)};
}

}  // namespace

class Service::Impl {
 public:
  Impl(ModelRegistry& models, ServiceOptions options)
      : options_(std::move(options)),
        admission_(options_.texts_max),
        work_(kWorkThreads, kWorkWaitingMax),
        keys_(std::make_shared<const ApiKeys>(options_.keys)),
        rates_(options_.limit),
        responses_(options_.responses),
        parts_{
            models,  admission_, work_,     metrics_,        rates_,
            energy_, responses_, detached_, options_.limits, [this] { return server_->counts(); }},
        server_(std::make_unique<HttpServer>(
            options_.http,
            [this](std::shared_ptr<Exchange> exchange) { serve(std::move(exchange)); },
            HttpHooks{.refuse =
                          [](int status, const std::string& message) {
                            return refusal_response(Dialect::kOpenAi, {status, message});
                          },
                      .ended = [this](const HttpRequest& request,
                                      const HttpOutcome& outcome) { ended(request, outcome); }})) {
    if (options_.traces) {
      traces_ = std::make_unique<TraceExporter>(*options_.traces);
      parts_.traces = traces_.get();
    }
    if (options_.data != nullptr) run_batches(*options_.data);
    server_->start();
  }
  ~Impl() { stop(); }

  HttpServer& server() { return *server_; }
  int64_t texts() const { return admission_.texts(); }
  void set_keys(ApiKeys keys) {
    auto changed = std::make_shared<const ApiKeys>(std::move(keys));
    const std::lock_guard lock(keys_mutex_);
    keys_.swap(changed);
  }
  bool drain(std::chrono::milliseconds timeout);
  void stop() {
    if (batches_) batches_->stop();
    detached_.stop();
    work_.stop();
    server_->stop();
  }

 private:
  void serve(std::shared_ptr<Exchange> exchange);
  void route(const Call& call, const RouteMatch& match);
  void run_batches(DataStore& data);
  void check_host(const HttpRequest& request) const;
  bool allows_origin(std::string_view origin) const;
  std::shared_ptr<const ApiKeys> keys() const {
    const std::lock_guard lock(keys_mutex_);
    return keys_;
  }
  std::shared_ptr<const ApiKey> check_key(const HttpRequest& request, Scope scope) const;
  void trace(const HttpRequest& request, const char* route, const HttpOutcome& outcome);
  void ended(const HttpRequest& request, const HttpOutcome& outcome);

  const ServiceOptions options_;
  Admission admission_;
  Metrics metrics_;
  WorkThreads work_;
  mutable std::mutex keys_mutex_;        // guards the next
  std::shared_ptr<const ApiKeys> keys_;  // those of now
  RateLimits rates_;
  EnergyShares energy_;
  ResponseStore responses_;
  DetachedExchanges detached_;
  std::unique_ptr<TraceExporter> traces_;
  ServerParts parts_;
  std::unique_ptr<HttpServer> server_;
  std::unique_ptr<BatchRunner> batches_;
  std::atomic<bool> draining_{false};
};

bool Service::Impl::drain(std::chrono::milliseconds timeout) {
  const auto end = std::chrono::steady_clock::now() + timeout;
  draining_ = true;
  if (batches_) batches_->stop();  // they go on at the next start
  responses_.await_underway();
  while (responses_.awaited() > 0 && std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(kDrainPause);
  }
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(
      std::max(end - std::chrono::steady_clock::now(), std::chrono::steady_clock::duration()));
  return server_->drain(left) && responses_.awaited() == 0;
}

void Service::Impl::run_batches(DataStore& data) {
  BatchRunnerHooks hooks;
  hooks.handle = [](const Call& call) {
    guard_call(call, [&] { find_route("POST", call.request().path).route->handle(call); });
  };
  hooks.key_of = [this](const std::string& holder) -> std::optional<std::shared_ptr<const ApiKey>> {
    const auto keys = this->keys();
    if (keys->empty() && holder.empty()) return nullptr;
    auto key = keys->find_name(holder);
    return key == nullptr ? std::nullopt : std::optional(std::move(key));
  };
  parts_.data = &data;
  batches_ = std::make_unique<BatchRunner>(data, parts_, std::move(hooks));
  parts_.batches = batches_.get();
}

// A page of another site can make a browser send it here under that site's own name.
void Service::Impl::check_host(const HttpRequest& request) const {
  if (!is_loopback(options_.http.host)) return;
  const std::string_view name = host_name(request.header("host").value_or(std::string_view()));
  if (name.empty() || is_loopback(name)) return;
  const auto& hosts = options_.hosts;
  if (std::find(hosts.begin(), hosts.end(), name) != hosts.end()) return;
  throw Refusal(403,
                "the server listens on this machine only and was asked for under another name; "
                "start it with --allow-host NAME if that is meant",
                {}, "host_not_allowed");
}

bool Service::Impl::allows_origin(std::string_view origin) const {
  return std::any_of(options_.origins.begin(), options_.origins.end(),
                     [&](const std::string& each) { return each == "*" || each == origin; });
}

std::shared_ptr<const ApiKey> Service::Impl::check_key(const HttpRequest& request,
                                                       Scope scope) const {
  const auto keys = this->keys();
  if (keys->empty() || scope == Scope::kNone) return nullptr;
  const std::string_view presented = presented_key(request);
  if (presented.empty()) {
    throw Refusal(401, "a key is needed: send it as 'Authorization: Bearer KEY'", {},
                  "missing_api_key");
  }
  auto key = keys->find(presented);
  if (key == nullptr) throw Refusal(401, "the key is not known here", {}, "invalid_api_key");
  if (!key->allows(scope)) {
    throw Refusal(403, "the key does not allow this", {}, "insufficient_permissions");
  }
  return key;
}

void Service::Impl::serve(std::shared_ptr<Exchange> exchange) {
  const HttpRequest& request = exchange->request();
  RouteMatch match = find_route(request.method, request.path);
  Call call{.exchange = exchange,
            .parts = parts_,
            .dialect = match.route != nullptr ? match.route->dialect : dialect_of(request.path),
            .argument = std::move(match.argument)};
  guard_call(call, [&] { route(call, match); });
}

void Service::Impl::route(const Call& call, const RouteMatch& match) {
  const HttpRequest& request = call.request();
  check_host(request);
  if (const auto origin = request.header("origin")) {
    if (!allows_origin(*origin)) {
      throw Refusal(403,
                    "web pages may not ask this server; start it with --allow-origin ORIGIN for "
                    "those that may",
                    {}, "origin_not_allowed");
    }
    call.exchange->add_header("access-control-allow-origin", std::string(*origin));
    call.exchange->add_header("vary", "origin");
    if (request.method == "OPTIONS") {
      return call.exchange->respond(
          {.status = 204,
           .content_type = "",
           .headers = {{"access-control-allow-methods", "GET, POST, DELETE"},
                       {"access-control-allow-headers",
                        std::string(request.header("access-control-request-headers").value_or(""))},
                       {"access-control-max-age", "600"}}});
    }
  }
  if (match.route == nullptr && !match.allowed.empty()) {
    HttpResponse response = refusal_response(
        call.dialect, {405, fmt::format("this path is for {}", match.allowed), {}, "bad_method"});
    response.headers.push_back({"allow", match.allowed});
    return call.exchange->respond(std::move(response));
  }
  if (match.route == nullptr) {
    throw Refusal(404, "nothing is served under this path; docs/serve.md lists what is", {},
                  "unknown_url");
  }
  Call known = call;
  known.key = check_key(request, match.route->scope);
  const bool asks_for_more =
      std::string_view(match.route->method) == "POST" && match.route->body.request != nullptr;
  if (draining_ && asks_for_more) {
    throw Refusal(503, "the server is about to end; try again later", {}, "overloaded");
  }
  if (match.route->scope == Scope::kInference) count_request(known);
  match.route->handle(known);
}

void Service::Impl::trace(const HttpRequest& request, const char* route,
                          const HttpOutcome& outcome) {
  if (traces_ == nullptr) return;
  Span span = request_span(request, route, outcome);
  if (span.context.sampled) traces_->add(std::move(span));
}

void Service::Impl::ended(const HttpRequest& request, const HttpOutcome& outcome) {
  const RouteMatch match = find_route(request.method, request.path);
  const char* path = match.route != nullptr ? match.route->path : "";
  metrics_.add_request(path, outcome);
  if (match.route != nullptr && match.route->scope == Scope::kInference) {
    trace(request, path, outcome);
  }
  if (!options_.access_log) return;
  const auto keys = this->keys();
  const auto key = keys->empty() ? nullptr : keys->find(presented_key(request));
  const OrderedJson line = {{"time", utc_time()},
                            {"id", request.id},
                            {"peer", request.peer},
                            {"key", key == nullptr ? OrderedJson(nullptr) : OrderedJson(key->name)},
                            {"method", request.method.substr(0, 16)},
                            {"route", path},
                            {"status", outcome.status},
                            {"request_bytes", request.body.size()},
                            {"response_bytes", outcome.body_bytes},
                            {"complete", outcome.complete},
                            {"seconds", outcome.seconds}};
  options_.access_log(json_text(line));
}

// ---- the outside -------------------------------------------------------------------------------

Service::Service(ModelRegistry& models, ServiceOptions options)
    : impl_(std::make_unique<Impl>(models, std::move(options))) {}

Service::~Service() = default;

uint16_t Service::port() const { return impl_->server().port(); }
HttpServerCounts Service::counts() const { return impl_->server().counts(); }
int64_t Service::texts() const { return impl_->texts(); }
void Service::set_keys(ApiKeys keys) { impl_->set_keys(std::move(keys)); }
bool Service::drain(std::chrono::milliseconds timeout) { return impl_->drain(timeout); }
void Service::stop() { impl_->stop(); }

}  // namespace minim::serve
