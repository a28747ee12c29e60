#include "serve/status.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "serve/metrics.h"
#include "serve/request/json_text.h"
#include "serve/routes.h"

namespace minim::serve {

void health(const Call& call) {
  const OrderedJson body = {{"status", "ok"},
                            {"texts", call.parts.admission.texts()},
                            {"texts_max", call.parts.admission.texts_max()}};
  call.exchange->respond({.body = json_text(body)});
}

void show_metrics(const Call& call) {
  call.exchange->respond(
      {.content_type = "text/plain; version=0.0.4; charset=utf-8",
       .body = call.parts.metrics.text(call.parts.http_counts(), call.parts.admission.texts(),
                                       call.parts.models)});
}

// What is served and who may ask; the fields of requests are the dialects' own documents to tell.
void show_openapi(const Call& call) {
  OrderedJson paths = OrderedJson::object();
  for (const Route& route : routes()) {
    const std::string path = route.path;
    OrderedJson operation = {{"summary", route.summary}};
    if (const size_t brace = path.find('{'); brace != std::string::npos) {
      const OrderedJson name = {{"name", path.substr(brace + 1, path.find('}') - brace - 1)},
                                {"in", "path"},
                                {"required", true},
                                {"schema", {{"type", "string"}}}};
      operation["parameters"] = OrderedJson::array({name});
    }
    const bool posts = std::string_view(route.method) == "POST";
    if (posts) {
      operation["requestBody"] = {
          {"required", true},
          {"content",
           {{path == "/v1/files" ? "multipart/form-data" : "application/json",
             {{"schema", {{"type", "object"}}}}}}}};
    }
    operation["responses"] = {{"200", {{"description", "The answer"}}},
                              {"default", {{"description", "A refusal, with its reason"}}}};
    if (route.scope == Scope::kNone) operation["security"] = OrderedJson::array();
    std::string method = route.method;
    std::transform(method.begin(), method.end(), method.begin(),
                   [](char c) { return static_cast<char>(c - 'A' + 'a'); });
    paths[path][method] = std::move(operation);
  }
  const OrderedJson schemes =
      OrderedJson::object({{"key", OrderedJson::object({{"type", "http"}, {"scheme", "bearer"}})}});
  const OrderedJson key =
      OrderedJson::array({OrderedJson::object({{"key", OrderedJson::array()}})});
  const OrderedJson document = {{"openapi", "3.1.0"},
                                {"info", {{"title", "minim serve"}, {"version", MINIM_VERSION}}},
                                {"security", key},
                                {"paths", std::move(paths)},
                                {"components", {{"securitySchemes", schemes}}}};
  call.exchange->respond({.body = json_text(document)});
}

}  // namespace minim::serve
