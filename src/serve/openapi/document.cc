#include "serve/openapi/document.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "serve/openapi/schema.h"
#include "serve/request/json_text.h"
#include "serve/routes.h"

namespace minim::serve {
namespace {

OrderedJson components() {
  OrderedJson schemas = OrderedJson::object();
  schema::add_openai_requests(schemas);
  schema::add_openai_replies(schemas);
  schema::add_openai_responses(schemas);
  schema::add_openai_lists(schemas);
  schema::add_anthropic(schemas);
  schema::add_ollama(schemas);
  const OrderedJson key = {{"type", "http"}, {"scheme", "bearer"}};
  return {{"schemas", std::move(schemas)}, {"securitySchemes", OrderedJson{{"key", key}}}};
}

OrderedJson media(const char* type, const OrderedJson& schema) {
  OrderedJson content = OrderedJson::object();
  content[type]["schema"] = schema;
  return content;
}

OrderedJson parameter(const std::string& name, const char* in) {
  return {{"name", name},
          {"in", in},
          {"required", std::string_view(in) == "path"},
          {"schema", name == "limit"   ? schema::integer(0)
                     : name == "order" ? schema::choice({"asc", "desc"})
                                       : schema::text()}};
}

OrderedJson parameters_of(const Route& route) {
  OrderedJson list = OrderedJson::array();
  const std::string path = route.path;
  if (const size_t brace = path.find('{'); brace != std::string::npos) {
    list.push_back(parameter(path.substr(brace + 1, path.find('}') - brace - 1), "path"));
  }
  const std::string_view names = route.body.parameters;
  for (size_t begin = 0; begin < names.size();) {
    const size_t end = std::min(names.find(' ', begin), names.size());
    list.push_back(parameter(std::string(names.substr(begin, end - begin)), "query"));
    begin = end + 1;
  }
  return list;
}

const char* error_of(Dialect dialect) {
  switch (dialect) {
    case Dialect::kAnthropic: return "MessageError";
    case Dialect::kOllama: return "OllamaError";
    case Dialect::kOpenAi: break;
  }
  return "Error";
}

OrderedJson responses_of(const Route& route) {
  const RouteBody& body = route.body;
  OrderedJson content = body.reply != nullptr ? media("application/json", schema::ref(body.reply))
                                              : media(body.reply_type, schema::any());
  if (body.event != nullptr) {
    const char* type =
        route.dialect == Dialect::kOllama ? "application/x-ndjson" : "text/event-stream";
    content.update(media(type, schema::ref(body.event)));
  }
  return {{"200", {{"description", "The answer"}, {"content", std::move(content)}}},
          {"default",
           {{"description", "A refusal, with its reason"},
            {"content", media("application/json", schema::ref(error_of(route.dialect)))}}}};
}

OrderedJson operation_of(const Route& route) {
  OrderedJson operation = {{"summary", route.summary}};
  OrderedJson parameters = parameters_of(route);
  if (!parameters.empty()) operation["parameters"] = std::move(parameters);
  if (route.body.request != nullptr) {
    const bool is_form = std::string_view(route.path) == "/v1/files";
    operation["requestBody"] = {
        {"required", true},
        {"content", media(is_form ? "multipart/form-data" : "application/json",
                          schema::ref(route.body.request))}};
  }
  operation["responses"] = responses_of(route);
  if (route.scope == Scope::kNone) operation["security"] = OrderedJson::array();
  return operation;
}

}  // namespace

OrderedJson openapi_document() {
  OrderedJson paths = OrderedJson::object();
  for (const Route& route : routes()) {
    std::string method = route.method;
    std::transform(method.begin(), method.end(), method.begin(),
                   [](char c) { return static_cast<char>(c - 'A' + 'a'); });
    paths[route.path][method] = operation_of(route);
  }
  OrderedJson key = OrderedJson::object();
  key["key"] = OrderedJson::array();
  return {{"openapi", "3.1.0"},
          {"info",
           {{"title", "minim serve"},
            {"version", MINIM_VERSION},
            {"description", "A member of a request that is null counts as absent."}}},
          {"security", OrderedJson::array({key})},
          {"paths", std::move(paths)},
          {"components", components()}};
}

void show_openapi(const Call& call) {
  call.exchange->respond({.body = json_text(openapi_document())});
}

}  // namespace minim::serve
