#include <fmt/core.h>

#include <string>
#include <utility>

#include "serve/telemetry/trace_exporter.h"

namespace minim::serve {
namespace {

// 64-bit integers are strings in the JSON of protocol buffers.
OrderedJson value_json(const AttributeValue& value) {
  OrderedJson json = OrderedJson::object();
  if (const auto* flag = std::get_if<bool>(&value)) {
    json["boolValue"] = *flag;
  } else if (const auto* whole = std::get_if<int64_t>(&value)) {
    json["intValue"] = std::to_string(*whole);
  } else if (const auto* number = std::get_if<double>(&value)) {
    json["doubleValue"] = *number;
  } else if (const auto* text = std::get_if<std::string>(&value)) {
    json["stringValue"] = *text;
  } else {
    OrderedJson& list = json["arrayValue"]["values"] = OrderedJson::array();
    for (const std::string& each : std::get<std::vector<std::string>>(value)) {
      list.push_back(value_json(each));
    }
  }
  return json;
}

OrderedJson attribute(const std::string& key, const AttributeValue& value) {
  OrderedJson json = OrderedJson::object();
  json["key"] = key;
  json["value"] = value_json(value);
  return json;
}

OrderedJson span_json(const Span& span) {
  const TraceContext& context = span.context;
  OrderedJson json = OrderedJson::object();
  json["traceId"] = fmt::format("{:016x}{:016x}", context.trace[0], context.trace[1]);
  json["spanId"] = fmt::format("{:016x}", context.span);
  if (!context.state.empty()) json["traceState"] = context.state;
  if (context.parent != 0) json["parentSpanId"] = fmt::format("{:016x}", context.parent);
  json["name"] = span.name;
  json["kind"] = static_cast<int>(span.kind);
  json["startTimeUnixNano"] = std::to_string(span.begin_ns);
  json["endTimeUnixNano"] = std::to_string(span.end_ns);
  OrderedJson& attributes = json["attributes"] = OrderedJson::array();
  for (const auto& [key, value] : span.attributes) attributes.push_back(attribute(key, value));
  json["status"] = OrderedJson::object();
  if (span.failed) {
    constexpr int kError = 2;
    json["status"]["code"] = kError;
    if (!span.message.empty()) json["status"]["message"] = span.message;
  }
  return json;
}

}  // namespace

OrderedJson otlp_json(const std::vector<Span>& spans, const TraceExporterOptions& options) {
  OrderedJson resource = OrderedJson::array();
  for (const auto& [key, value] : options.resource) resource.push_back(attribute(key, value));
  OrderedJson scope_spans = OrderedJson::object();
  scope_spans["scope"]["name"] = "minim.serve";
  OrderedJson& list = scope_spans["spans"] = OrderedJson::array();
  for (const Span& span : spans) list.push_back(span_json(span));
  OrderedJson resource_spans = OrderedJson::object();
  resource_spans["resource"]["attributes"] = std::move(resource);
  resource_spans["scopeSpans"] = OrderedJson::array({std::move(scope_spans)});
  OrderedJson request = OrderedJson::object();
  request["resourceSpans"] = OrderedJson::array({std::move(resource_spans)});
  return request;
}

}  // namespace minim::serve
