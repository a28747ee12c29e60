#include "serve/openai/reply.h"

#include <fmt/core.h>

#include <ctime>

#include "serve/http/sse.h"
#include "serve/request/json_text.h"

namespace minim::serve {
namespace {

constexpr const char* kUsageOfChunks = R"(,"usage":null)";

}  // namespace

OpenAiReply::OpenAiReply(const Call& call, std::shared_ptr<ServedModel> model,
                         const OpenAiReplyOptions& options)
    : call_(call), model_(std::move(model)), options_(options) {
  std::string object = options_.object;
  if (streams() && object == "chat.completion") object += ".chunk";
  head_ = fmt::format(
      R"("id":{},"object":{},"created":{},"model":{},"system_fingerprint":"fp_{:016x}")",
      json_string(options_.id_prefix + call_.request().id.substr(4)), json_string(object),
      std::time(nullptr), json_string(model_->id()), model_->fingerprint());
}

void OpenAiReply::send_chunk(std::string_view rest) {
  std::string event = sse_event(fmt::format("{{{}{}}}", head_, rest));
  if (begun()) return call_.exchange->write(std::move(event));
  call_.exchange->begin({.content_type = "text/event-stream",
                         .headers = {{"cache-control", "no-cache"}},
                         .body = std::move(event)});
}

void OpenAiReply::send_choice(std::string_view choice) {
  send_chunk(fmt::format(R"(,"choices":[{}]{})", choice,
                         options_.stream.include_usage ? kUsageOfChunks : ""));
}

void OpenAiReply::respond_whole() {
  const auto passed = std::chrono::steady_clock::now() - started_;
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(passed).count();
  call_.exchange->respond(
      {.headers = {{"openai-processing-ms", std::to_string(milliseconds)}},
       .body =
           fmt::format(R"({{{},"choices":{},"usage":{},"minim":{}}})", head_, json_text(choices()),
                       json_text(usage_.json()), json_text(usage_.extension()))});
}

void OpenAiReply::finish() {
  if (!streams()) return respond_whole();
  if (options_.stream.include_usage) {
    send_chunk(fmt::format(R"(,"choices":[],"usage":{},"minim":{})", json_text(usage_.json()),
                           json_text(usage_.extension())));
  }
  call_.exchange->write("data: [DONE]\n\n");
  call_.exchange->finish();
}

void OpenAiReply::fail(const Refusal& refusal) {
  if (!begun()) return call_.exchange->respond(refusal_response(call_.dialect, refusal));
  call_.exchange->write(sse_event(refusal_body(call_.dialect, refusal)));
  call_.exchange->finish();
}

}  // namespace minim::serve
