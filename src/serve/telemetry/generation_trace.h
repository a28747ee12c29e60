// The spans of a request: that of HTTP, and below it what generated texts, and how long each of
// them waited, was read and was written; by the semantic conventions for generative AI.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "serve/call.h"
#include "serve/engine/generation.h"
#include "serve/telemetry/span.h"

namespace minim::serve {

class TraceExporter;

// Of a request that has ended. `route`: the pattern of its path.
Span request_span(const HttpRequest& request, const char* route, const HttpOutcome& outcome);

// Of the texts that a request asks for.
class GenerationTrace {
 public:
  // Null where traces are not sent, or this one is not kept.
  static std::shared_ptr<GenerationTrace> begin(const Call& call, const ServedModel& model,
                                                const std::vector<TextRequest>& texts);
  GenerationTrace(TraceExporter& exporter, Span span);

  void add_text(StopReason reason, const GenerationStatistics& statistics);
  void end(const GenerationEnd& end);

 private:
  TraceExporter& exporter_;
  Span span_;
  int64_t prompt_tokens_ = 0;
  int64_t cached_tokens_ = 0;
  double first_token_seconds_ = 0;
  std::vector<std::string> reasons_;
};

// Of texts that became vectors, from `begin_ns` to now.
void trace_embeddings(const Call& call, const std::string& model, int64_t tokens, int64_t begin_ns);

}  // namespace minim::serve
