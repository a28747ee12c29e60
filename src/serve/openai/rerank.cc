#include <fmt/core.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "base/error.h"
#include "serve/engine/prompt_check.h"
#include "serve/openai/generation_fields.h"
#include "serve/openai/handlers.h"
#include "serve/request/json_text.h"
#include "serve/request/request_json.h"

namespace minim::serve {
namespace {

struct RankingRequest {
  std::string query;
  std::vector<std::string> documents;
  int64_t count = 0;  // of results
  bool return_documents = false;
  size_t method = 0;  // of kMethods
};

constexpr struct {
  RerankMethod method;
  const char* name;
} kMethods[] = {{RerankMethod::kQueryLikelihood, "likelihood"},
                {RerankMethod::kYesNo, "yes-no"},
                {RerankMethod::kEmbedding, "embedding"}};

HttpResponse rank(ServedModel& model, const RankingRequest& request, const std::string& id) {
  Ranking ranking;
  try {
    ranking =
        model.rank(request.query, request.documents, {.method = kMethods[request.method].method});
  } catch (const Error& error) {
    throw refusal_of(error, "documents");
  }
  OrderedJson results = OrderedJson::array();
  for (int64_t i = 0; i < request.count; ++i) {
    const auto document = static_cast<size_t>(ranking.order[static_cast<size_t>(i)]);
    OrderedJson result = {{"index", document}, {"relevance_score", ranking.scores[document]}};
    if (request.return_documents) result["document"] = {{"text", request.documents[document]}};
    results.push_back(std::move(result));
  }
  const OrderedJson body = {
      {"id", "rerank-" + id},
      {"object", "list"},
      {"model", model.id()},
      {"results", std::move(results)},
      {"usage",
       {{"prompt_tokens", ranking.computed_tokens}, {"total_tokens", ranking.computed_tokens}}},
      {"minim", {{"method", kMethods[request.method].name}}}};
  return {.body = json_text(body)};
}

std::string read_document(const OrderedJson& value, const std::string& path) {
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_object()) {
    refuse_value(
        path, fmt::format("must be a string or an object with 'text', but is {}", kind_of(value)),
        "invalid_type");
  }
  Fields fields(value, path);
  std::string text = fields.required_text("text");
  fields.finish();
  return text;
}

void start_ranking(const Call& call, const OrderedJson& body,
                   const std::shared_ptr<ServedModel>& model) {
  Fields fields(body);
  fields.ignore({"model"});
  RankingRequest request;
  request.query = fields.required_text("query");
  if (request.query.empty()) fields.refuse("query", "is empty");
  check_text_size(*model, request.query.size(), "query");
  const OrderedJson& documents =
      fields.required_list("documents", static_cast<size_t>(call.parts.limits.inputs_max));
  if (documents.empty()) fields.refuse("documents", "is empty");
  for (size_t i = 0; i < documents.size(); ++i) {
    const std::string path = fmt::format("documents[{}]", i);
    request.documents.push_back(read_document(documents[i], path));
    check_text_size(*model, request.documents.back().size(), path);
  }
  const auto all = static_cast<int64_t>(documents.size());
  request.count = std::min(all, fields.integer("top_n", {1, 1 << 24}).value_or(all));
  request.return_documents = fields.boolean("return_documents").value_or(false);
  request.method =
      fields.choice("method", {kMethods[0].name, kMethods[1].name, kMethods[2].name}).value_or(0);
  ignore_labels(fields);
  refuse_to_store(fields);
  fields.finish();
  // Each document is read together with the query.
  int64_t tokens = 0;
  const auto count = [&](const std::string& text) {
    return static_cast<int64_t>(model->tokenizer()->encode(text).size());
  };
  for (const std::string& document : request.documents) tokens += count(document);
  tokens += count(request.query) * static_cast<int64_t>(documents.size());
  count_tokens_of(call, tokens);
  respond_later(call, [model, request = std::move(request), id = call.request().id.substr(4)] {
    return rank(*model, request, id);
  });
}

}  // namespace

void rerank(const Call& call) {
  const auto body = std::make_shared<const OrderedJson>(parse_request_json(call.request().body));
  const std::string id = Fields(*body).text("model").value_or("");
  with_model(call, id, [call, body](const std::shared_ptr<ServedModel>& model) {
    start_ranking(call, *body, model);
  });
}

}  // namespace minim::serve
