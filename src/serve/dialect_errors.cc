#include "serve/dialect_errors.h"

#include "serve/request/json_text.h"

namespace minim::serve {
namespace {

const char* openai_type(int status) {
  switch (status) {
    case 401: return "authentication_error";
    case 403: return "permission_error";
    case 429: return "rate_limit_error";
    default: return status >= 500 ? "server_error" : "invalid_request_error";
  }
}

const char* anthropic_type(int status) {
  switch (status) {
    case 401: return "authentication_error";
    case 403: return "permission_error";
    case 404: return "not_found_error";
    case 413: return "request_too_large";
    case 429: return "rate_limit_error";
    case 503: return "overloaded_error";
    case 504: return "timeout_error";
    default: return status >= 500 ? "api_error" : "invalid_request_error";
  }
}

OrderedJson text_or_null(const std::string& text) {
  return text.empty() ? OrderedJson(nullptr) : OrderedJson(text);
}

}  // namespace

std::string openai_error(const Refusal& refusal) {
  const OrderedJson body = {{"error",
                             {{"message", refusal.what()},
                              {"type", openai_type(refusal.status())},
                              {"param", text_or_null(refusal.param())},
                              {"code", text_or_null(refusal.code())}}}};
  return json_text(body);
}

std::string anthropic_error(const Refusal& refusal) {
  const OrderedJson body = {
      {"type", "error"},
      {"error", {{"type", anthropic_type(refusal.status())}, {"message", refusal.what()}}}};
  return json_text(body);
}

std::string ollama_error(const Refusal& refusal) {
  return json_text(OrderedJson::object({{"error", refusal.what()}}));
}

}  // namespace minim::serve
