#include "serve/telemetry/trace_exporter.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>

#include "base/error.h"
#include "serve/request/json_text.h"

namespace minim::serve {
namespace {

constexpr std::chrono::milliseconds kLastTimeout{1000};

// "key=value,other=value", the values percent-encoded.
std::vector<std::pair<std::string, std::string>> read_pairs(const char* name,
                                                            std::string_view text) {
  std::vector<std::pair<std::string, std::string>> pairs;
  const auto trim = [](std::string_view part) {
    const size_t begin = std::min(part.find_first_not_of(' '), part.size());
    return part.substr(begin, part.find_last_not_of(' ') + 1 - begin);
  };
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    const std::string_view part = trim(text.substr(begin, end - begin));
    begin = end + 1;
    if (part.empty()) continue;
    const size_t equals = part.find('=');
    const auto value = decode_percent(
        trim(part.substr(std::min(equals, part.size() - 1) + (equals < part.size() ? 1 : 0))));
    if (equals == std::string_view::npos || equals == 0 || !value) {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("traces: {} has '{}', which is not KEY=VALUE", name, part));
    }
    pairs.emplace_back(trim(part.substr(0, equals)), *value);
  }
  return pairs;
}

void set_resource(TraceExporterOptions& options, const std::string& key, const std::string& value) {
  for (auto& [known, before] : options.resource) {
    if (known != key) continue;
    before = value;
    return;
  }
  options.resource.emplace_back(key, value);
}

}  // namespace

std::optional<TraceExporterOptions> trace_options(
    const std::string& collector, const std::function<const char*(const char*)>& environment) {
  const auto read = [&](const char* name) {
    const char* value = environment(name);
    return std::string(value == nullptr ? "" : value);
  };
  std::string base = collector;
  std::string url;
  if (base.empty()) {
    if (read("OTEL_SDK_DISABLED") == "true") return std::nullopt;
    url = read("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
    if (url.empty()) base = read("OTEL_EXPORTER_OTLP_ENDPOINT");
    if (url.empty() && base.empty()) return std::nullopt;
  }
  constexpr std::string_view kPath = "/v1/traces";
  if (url.empty()) {
    while (base.ends_with('/')) base.pop_back();
    url = base.ends_with(kPath) ? base : base + std::string(kPath);
  }
  for (const char* name : {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"}) {
    if (read(name) != "grpc") continue;
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("traces: {} is 'grpc', and only HTTP is spoken here; give the "
                            "collector's address for HTTP, and http/json",
                            name));
  }
  TraceExporterOptions options{.url = parse_http_url(url)};
  options.resource = {{"service.name", "minim"}, {"service.version", MINIM_VERSION}};
  for (const auto& [key, value] :
       read_pairs("OTEL_RESOURCE_ATTRIBUTES", read("OTEL_RESOURCE_ATTRIBUTES"))) {
    set_resource(options, key, value);
  }
  if (const std::string name = read("OTEL_SERVICE_NAME"); !name.empty()) {
    set_resource(options, "service.name", name);
  }
  std::string headers = read("OTEL_EXPORTER_OTLP_TRACES_HEADERS");
  if (headers.empty()) headers = read("OTEL_EXPORTER_OTLP_HEADERS");
  for (const auto& [key, value] : read_pairs("OTEL_EXPORTER_OTLP_HEADERS", headers)) {
    options.headers.push_back({key, value});
  }
  return options;
}

TraceExporter::TraceExporter(TraceExporterOptions options)
    : options_(std::move(options)), thread_([this] { loop(); }) {}

TraceExporter::~TraceExporter() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void TraceExporter::add(Span span) {
  {
    const std::lock_guard lock(mutex_);
    if (waiting_.size() >= options_.queue_max) {
      ++counts_.dropped;
      return;
    }
    waiting_.push_back(std::move(span));
    if (waiting_.size() != 1 && waiting_.size() != options_.batch_max) return;
  }
  changed_.notify_all();
}

TraceCounts TraceExporter::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

// Whether the time passed without an end.
bool TraceExporter::pause(std::chrono::milliseconds time) {
  std::unique_lock lock(mutex_);
  return !changed_.wait_for(lock, time, [&] { return stopping_; });
}

// Empty at the end.
std::vector<Span> TraceExporter::take_batch() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return stopping_ || !waiting_.empty(); });
  changed_.wait_for(lock, options_.delay,
                    [&] { return stopping_ || waiting_.size() >= options_.batch_max; });
  std::vector<Span> batch;
  while (!waiting_.empty() && batch.size() < options_.batch_max) {
    batch.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
  }
  return batch;
}

void TraceExporter::loop() {
  for (;;) {
    const std::vector<Span> batch = take_batch();
    if (batch.empty()) return;
    send(batch);
  }
}

void TraceExporter::send(const std::vector<Span>& batch) {
  const std::string body = json_text(otlp_json(batch, options_));
  std::string why;
  auto wait = options_.pause;
  for (int tries = 0; tries < std::max(options_.tries_max, 1); ++tries) {
    int64_t rejected = 0;
    const Outcome outcome = try_to_send(body, why, rejected);
    if (outcome == Outcome::kSent) {
      {
        const std::lock_guard lock(mutex_);
        counts_.sent += static_cast<int64_t>(batch.size()) - rejected;
      }
      if (rejected > 0) drop(static_cast<size_t>(rejected), why);
      return;
    }
    if (outcome == Outcome::kRefused || !pause(wait)) break;
    wait *= 2;
  }
  drop(batch.size(), why);
}

void TraceExporter::drop(size_t spans, const std::string& why) {
  {
    const std::lock_guard lock(mutex_);
    counts_.dropped += static_cast<int64_t>(spans);
  }
  if (std::exchange(warned_, true) || !options_.warn) return;
  options_.warn(fmt::format("traces are dropped while the collector does not take them: {}", why));
}

TraceExporter::Outcome TraceExporter::try_to_send(const std::string& body, std::string& why,
                                                  int64_t& rejected) {
  HttpClientRequest request{
      .method = "POST", .url = options_.url, .headers = options_.headers, .body = body};
  request.headers.push_back({"Content-Type", "application/json"});
  request.response_bytes_max = size_t{1} << 20;
  {
    const std::lock_guard lock(mutex_);
    request.timeout = stopping_ ? std::min(kLastTimeout, options_.timeout) : options_.timeout;
  }
  try {
    const HttpResponse response = fetch_http(request);
    if (response.status >= 200 && response.status < 300) {
      const OrderedJson told =
          OrderedJson::parse(response.body, nullptr, /*allow_exceptions=*/false);
      if (!told.is_object() || !told.contains("partialSuccess")) return Outcome::kSent;
      const OrderedJson& part = told["partialSuccess"];
      if (!part.is_object() || !part.contains("rejectedSpans")) return Outcome::kSent;
      const OrderedJson& count = part["rejectedSpans"];
      rejected = count.is_string() ? std::atoll(count.get_ref<const std::string&>().c_str())
                 : count.is_number_integer() ? count.get<int64_t>()
                                             : 0;
      why = "it rejected some of them";
      return Outcome::kSent;
    }
    why = fmt::format("{} answers with status {}", options_.url.text(), response.status);
    const bool later = response.status == 429 || response.status == 502 || response.status == 503 ||
                       response.status == 504;
    return later ? Outcome::kTryAgain : Outcome::kRefused;
  } catch (const Error& error) {
    why = error.what();
    return error.code() == ErrorCode::kIo ? Outcome::kTryAgain : Outcome::kRefused;
  }
}

}  // namespace minim::serve
