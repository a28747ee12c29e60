#include "serve/telemetry/generation_trace.h"

#include <fmt/core.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "serve/telemetry/trace_exporter.h"

namespace minim::serve {
namespace {

constexpr const char* kProvider = "minim";

// Requests of a batch have nobody who asked.
bool has_request_span(const HttpRequest& request) { return request.peer != "batch"; }

Span operation_span(const Call& call, const char* operation, const std::string& model) {
  const HttpRequest& request = call.request();
  Span span{.context = trace_context_of(request)};
  if (has_request_span(request)) span.context = child_of(span.context);
  span.name = fmt::format("{} {}", operation, model);
  span.begin_ns = unix_nanoseconds();
  span.attributes = {{"gen_ai.operation.name", operation},
                     {"gen_ai.provider.name", kProvider},
                     {"gen_ai.request.model", model},
                     {"gen_ai.response.model", model}};
  return span;
}

const char* operation_of(const Call& call) {
  const std::string& path = call.request().path;
  return path == "/v1/completions" || path == "/api/generate" ? "text_completion" : "chat";
}

int64_t nanoseconds(double seconds) { return static_cast<int64_t>(seconds * 1e9); }

}  // namespace

Span request_span(const HttpRequest& request, const char* route, const HttpOutcome& outcome) {
  Span span{.context = trace_context_of(request), .kind = SpanKind::kServer};
  const bool known = *route != '\0';
  span.name = known ? fmt::format("{} {}", request.method, route) : request.method.substr(0, 16);
  span.end_ns = unix_nanoseconds();
  span.begin_ns = span.end_ns - nanoseconds(outcome.seconds);
  span.attributes = {{"http.request.method", request.method.substr(0, 16)},
                     {"http.response.status_code", int64_t{outcome.status}},
                     {"http.request.body.size", static_cast<int64_t>(request.body.size())},
                     {"http.response.body.size", static_cast<int64_t>(outcome.body_bytes)},
                     {"client.address", request.peer},
                     {"minim.request.id", request.id}};
  if (known) span.attributes.emplace_back("http.route", route);
  if (outcome.status >= 500 || !outcome.complete) {
    span.failed = true;
    const bool left = outcome.status < 500;
    span.attributes.emplace_back("error.type",
                                 left ? "client_left" : std::to_string(outcome.status));
    if (left) span.message = "the client left before the response was whole";
  }
  return span;
}

std::shared_ptr<GenerationTrace> GenerationTrace::begin(const Call& call, const ServedModel& model,
                                                        const std::vector<TextRequest>& texts) {
  if (call.parts.traces == nullptr) return nullptr;
  Span span = operation_span(call, operation_of(call), model.id());
  if (!span.context.sampled) return nullptr;
  const GeneratorOptions& options = texts.front().options.generator;
  const auto add = [&](const char* key, AttributeValue value) {
    span.attributes.emplace_back(key, std::move(value));
  };
  if (texts.size() > 1) add("gen_ai.request.choice.count", static_cast<int64_t>(texts.size()));
  if (options.tokens_max >= 0) add("gen_ai.request.max_tokens", options.tokens_max);
  add("gen_ai.request.temperature", static_cast<double>(options.sampler.temperature));
  add("gen_ai.request.top_p", static_cast<double>(options.sampler.top_p));
  if (options.sampler.top_k > 0) {
    add("gen_ai.request.top_k", static_cast<int64_t>(options.sampler.top_k));
  }
  return std::make_shared<GenerationTrace>(*call.parts.traces, std::move(span));
}

GenerationTrace::GenerationTrace(TraceExporter& exporter, Span span)
    : exporter_(exporter), span_(std::move(span)) {}

void GenerationTrace::add_text(StopReason reason, const GenerationStatistics& statistics) {
  prompt_tokens_ = std::max(prompt_tokens_, statistics.prompt_tokens);
  cached_tokens_ = std::max(cached_tokens_, statistics.reused_tokens);
  if (reason != StopReason::kCancelled) {
    if (reasons_.empty()) first_token_seconds_ = statistics.first_token_seconds();
    const bool cut = reason == StopReason::kTokensMax || reason == StopReason::kContextFull;
    reasons_.emplace_back(cut ? "length" : "stop");
  }
  // What a text does comes one after the other, and ends now.
  const struct {
    const char* name;
    double seconds;
    const char* count_name;
    int64_t count;
  } parts[] = {
      {"queue", statistics.queue_seconds, nullptr, 0},
      {"prompt", statistics.prompt_seconds, "gen_ai.usage.input_tokens", statistics.prompt_tokens},
      {"generation", statistics.decode_seconds, "gen_ai.usage.output_tokens",
       statistics.generated_tokens}};
  int64_t begin = unix_nanoseconds();
  for (const auto& part : parts) begin -= nanoseconds(part.seconds);
  begin = std::max(begin, span_.begin_ns);
  for (const auto& part : parts) {
    if (reason == StopReason::kCancelled && part.seconds == 0) break;  // it did not come to that
    Span span{.context = child_of(span_.context), .name = part.name, .begin_ns = begin};
    begin += nanoseconds(part.seconds);
    span.end_ns = begin;
    if (part.count_name != nullptr) span.attributes = {{part.count_name, part.count}};
    exporter_.add(std::move(span));
  }
}

void GenerationTrace::end(const GenerationEnd& end) {
  span_.end_ns = unix_nanoseconds();
  const auto add = [&](const char* key, AttributeValue value) {
    span_.attributes.emplace_back(key, std::move(value));
  };
  add("gen_ai.usage.input_tokens", prompt_tokens_);
  add("gen_ai.usage.cache_read.input_tokens", cached_tokens_);
  if (!reasons_.empty()) {
    add("gen_ai.response.finish_reasons", reasons_);
    add("gen_ai.response.time_to_first_chunk", first_token_seconds_);
  }
  add("gen_ai.usage.output_tokens", end.tokens);
  if (!end.complete) {
    span_.failed = true;
    add("error.type", end.status == 0 ? "cancelled" : std::to_string(end.status));
  }
  exporter_.add(std::move(span_));
}

void trace_embeddings(const Call& call, const std::string& model, int64_t tokens,
                      int64_t begin_ns) {
  if (call.parts.traces == nullptr) return;
  Span span = operation_span(call, "embeddings", model);
  if (!span.context.sampled) return;
  span.begin_ns = begin_ns;
  span.end_ns = unix_nanoseconds();
  span.attributes.emplace_back("gen_ai.usage.input_tokens", tokens);
  call.parts.traces->add(std::move(span));
}

}  // namespace minim::serve
