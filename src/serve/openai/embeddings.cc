#include <fmt/core.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "base/error.h"
#include "serve/base64.h"
#include "serve/engine/prompts.h"
#include "serve/openai/generation_fields.h"
#include "serve/openai/handlers.h"
#include "serve/request/json_text.h"
#include "serve/request/request_json.h"
#include "serve/telemetry/generation_trace.h"

namespace minim::serve {
namespace {

struct EmbeddingRequest {
  std::vector<Prompt> inputs;
  int64_t dimensions = 0;
  bool base64 = false;
};

void append_floats(std::string& body, std::span<const float> row) {
  body += '[';
  for (size_t i = 0; i < row.size(); ++i) {
    body += fmt::format("{}{}", i > 0 ? "," : "", row[i]);
  }
  body += ']';
}

HttpResponse embed(ServedModel& model, EmbeddingRequest request) {
  std::vector<std::vector<TokenId>> texts;
  int64_t tokens = 0;
  for (Prompt& input : request.inputs) {
    tokens += static_cast<int64_t>(input.tokens.size());
    texts.push_back(std::move(input.tokens));
  }
  const Embeddings result = model.embed(std::move(texts), {.dimensions = request.dimensions});
  std::string body = R"({"object":"list","data":[)";
  for (int64_t i = 0; i < result.count(); ++i) {
    body += fmt::format(R"({}{{"object":"embedding","index":{},"embedding":)", i > 0 ? "," : "", i);
    const std::span<const float> row = result.row(i);
    if (request.base64) {
      body += '"' + encode_base64(std::as_bytes(row)) + '"';
    } else {
      append_floats(body, row);
    }
    body += '}';
  }
  body += fmt::format(R"(],"model":{},"usage":{{"prompt_tokens":{},"total_tokens":{}}}}})",
                      json_string(model.id()), tokens, tokens);
  return {.body = std::move(body)};
}

void start_embeddings(const Call& call, const OrderedJson& body,
                      const std::shared_ptr<ServedModel>& model) {
  Fields fields(body);
  fields.ignore({"model"});
  EmbeddingRequest request;
  request.inputs =
      read_prompts(fields, "input", *model, static_cast<size_t>(call.parts.limits.inputs_max));
  request.base64 = fields.choice("encoding_format", {"float", "base64"}) == size_t{1};
  request.dimensions = fields.integer("dimensions", {1, model->model().config().dim}).value_or(0);
  ignore_labels(fields);
  refuse_to_store(fields);
  fields.finish();
  int64_t tokens = 0;
  for (const Prompt& input : request.inputs) tokens += static_cast<int64_t>(input.tokens.size());
  count_tokens_of(call, tokens);
  respond_later(call, [call, model, tokens, request = std::move(request)] {
    const int64_t begin = unix_nanoseconds();
    HttpResponse response = embed(*model, request);
    trace_embeddings(call, model->id(), tokens, begin);
    return response;
  });
}

}  // namespace

void embeddings(const Call& call) {
  const auto body = std::make_shared<const OrderedJson>(parse_request_json(call.request().body));
  const std::string id = Fields(*body).text("model").value_or("");
  with_model(call, id, [call, body](const std::shared_ptr<ServedModel>& model) {
    start_embeddings(call, *body, model);
  });
}

}  // namespace minim::serve
