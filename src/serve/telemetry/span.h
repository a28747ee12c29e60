// Spans: what took how long on whose behalf, as OpenTelemetry has them. None of what was said.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "serve/http/message.h"

namespace minim::serve {

// The place of a request in a trace that may have begun elsewhere.
struct TraceContext {
  uint64_t trace[2] = {};  // never both 0
  uint64_t span = 0;       // that of the request; never 0
  uint64_t parent = 0;     // whoever asked; 0: nobody told
  bool sampled = true;     // whether whoever asked keeps the trace
  std::string state;       // "vendor=value", handed on as it came
};

// From the headers traceparent and tracestate (W3C Trace Context) where they are there and right,
// else made of the request's id. The same request always gives the same.
TraceContext trace_context_of(const HttpRequest& request);

enum class SpanKind { kInternal = 1, kServer = 2 };

using AttributeValue = std::variant<bool, int64_t, double, std::string, std::vector<std::string>>;

struct Span {
  TraceContext context;
  std::string name;
  SpanKind kind = SpanKind::kInternal;
  int64_t begin_ns = 0;  // since 1970
  int64_t end_ns = 0;
  std::vector<std::pair<std::string, AttributeValue>> attributes;
  bool failed = false;
  std::string message;  // why it failed
};

int64_t unix_nanoseconds();

// A new span whose parent is that of the context.
TraceContext child_of(const TraceContext& context);

}  // namespace minim::serve
