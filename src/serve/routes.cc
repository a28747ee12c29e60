#include "serve/routes.h"

#include "serve/anthropic/handlers.h"
#include "serve/ollama/handlers.h"
#include "serve/openai/batches/handlers.h"
#include "serve/openai/handlers.h"
#include "serve/openai/responses/handlers.h"
#include "serve/openapi/document.h"
#include "serve/status.h"

namespace minim::serve {
namespace {

constexpr const char* kPage = "limit order after before";

constexpr RouteBody plain(const char* type) { return {.reply_type = type}; }
constexpr RouteBody replies(const char* reply, const char* parameters = "") {
  return {.reply = reply, .parameters = parameters};
}
constexpr RouteBody reads(const char* request, const char* reply, const char* event = nullptr) {
  return {.request = request, .reply = reply, .event = event};
}

constexpr Route kRoutes[] = {
    {"GET", "/health", Dialect::kOpenAi, Scope::kNone, health, "Whether the server is well",
     replies("Health")},
    {"GET", "/metrics", Dialect::kOpenAi, Scope::kMetrics, show_metrics,
     "Counters in the text format of Prometheus", plain("text/plain")},
    {"GET", "/openapi.json", Dialect::kOpenAi, Scope::kNone, show_openapi,
     "This list, as an OpenAPI document", RouteBody()},
    {"GET", "/v1/models", Dialect::kOpenAi, Scope::kInference, list_models, "List the models",
     replies("ModelList")},
    {"GET", "/v1/models/{model}", Dialect::kOpenAi, Scope::kInference, show_model,
     "Describe a model", replies("Model")},
    {"POST", "/v1/chat/completions", Dialect::kOpenAi, Scope::kInference, chat_completions,
     "Answer a conversation",
     reads("ChatCompletionRequest", "ChatCompletion", "ChatCompletionChunk")},
    {"POST", "/v1/completions", Dialect::kOpenAi, Scope::kInference, completions, "Continue a text",
     reads("CompletionRequest", "Completion", "Completion")},
    {"POST", "/v1/responses", Dialect::kOpenAi, Scope::kInference, create_response,
     "Answer a conversation, item by item", reads("ResponseRequest", "Response", "ResponseEvent")},
    {"GET", "/v1/responses/{response}", Dialect::kOpenAi, Scope::kInference, show_response,
     "Show a response that is kept, or stream one in the background from an event on",
     RouteBody{
         .reply = "Response", .event = "ResponseEvent", .parameters = "stream starting_after"}},
    {"DELETE", "/v1/responses/{response}", Dialect::kOpenAi, Scope::kInference, delete_response,
     "Delete a response", replies("Deleted")},
    {"POST", "/v1/responses/{response}/cancel", Dialect::kOpenAi, Scope::kInference,
     cancel_response, "Cancel a response in the background", replies("Response")},
    {"GET", "/v1/responses/{response}/input_items", Dialect::kOpenAi, Scope::kInference,
     list_response_input, "List the items that a response answers",
     replies("ResponseInputList", kPage)},
    {"POST", "/v1/files", Dialect::kOpenAi, Scope::kInference, upload_file, "Keep a file",
     reads("FileUpload", "File")},
    {"GET", "/v1/files", Dialect::kOpenAi, Scope::kInference, list_files, "List the files",
     replies("FileList", "purpose limit order after before")},
    {"GET", "/v1/files/{file}", Dialect::kOpenAi, Scope::kInference, show_file, "Describe a file",
     replies("File")},
    {"GET", "/v1/files/{file}/content", Dialect::kOpenAi, Scope::kInference, file_content,
     "What is in a file", plain("application/octet-stream")},
    {"DELETE", "/v1/files/{file}", Dialect::kOpenAi, Scope::kInference, delete_file,
     "Delete a file", replies("Deleted")},
    {"POST", "/v1/batches", Dialect::kOpenAi, Scope::kInference, create_batch,
     "Have the requests of a file answered", reads("BatchRequest", "Batch")},
    {"GET", "/v1/batches", Dialect::kOpenAi, Scope::kInference, list_batches, "List the batches",
     replies("BatchList", kPage)},
    {"GET", "/v1/batches/{batch}", Dialect::kOpenAi, Scope::kInference, show_batch,
     "How far a batch has come", replies("Batch")},
    {"POST", "/v1/batches/{batch}/cancel", Dialect::kOpenAi, Scope::kInference, cancel_batch,
     "Cancel a batch", replies("Batch")},
    {"POST", "/v1/moderations", Dialect::kOpenAi, Scope::kInference, moderations,
     "Classify texts by rules", reads("ModerationRequest", "Moderation")},
    {"POST", "/v1/embeddings", Dialect::kOpenAi, Scope::kInference, embeddings,
     "Turn texts into vectors", reads("EmbeddingRequest", "EmbeddingList")},
    {"POST", "/v1/rerank", Dialect::kOpenAi, Scope::kInference, rerank,
     "Order documents by how well they suit a query", reads("RankingRequest", "Ranking")},
    {"POST", "/v1/messages", Dialect::kAnthropic, Scope::kInference, messages,
     "Answer a conversation, as Anthropic's API does",
     reads("MessageRequest", "MessageReply", "MessageEvent")},
    {"POST", "/v1/messages/count_tokens", Dialect::kAnthropic, Scope::kInference, count_tokens,
     "Count the tokens of a conversation", reads("TokenCountRequest", "TokenCount")},
    {"POST", "/api/chat", Dialect::kOllama, Scope::kInference, ollama_chat,
     "Answer a conversation, as Ollama's API does",
     reads("OllamaChatRequest", "OllamaChatReply", "OllamaChatReply")},
    {"POST", "/api/generate", Dialect::kOllama, Scope::kInference, ollama_generate,
     "Answer or continue a text",
     reads("OllamaGenerateRequest", "OllamaGenerateReply", "OllamaGenerateReply")},
    {"POST", "/api/embed", Dialect::kOllama, Scope::kInference, ollama_embed,
     "Turn texts into vectors", reads("OllamaEmbedRequest", "OllamaEmbedReply")},
    {"GET", "/api/tags", Dialect::kOllama, Scope::kInference, ollama_tags, "List the models",
     replies("OllamaModels")},
    {"POST", "/api/show", Dialect::kOllama, Scope::kInference, ollama_show, "Describe a model",
     reads("OllamaShowRequest", "OllamaModel")},
    {"GET", "/api/ps", Dialect::kOllama, Scope::kInference, ollama_ps,
     "List the models that are loaded", replies("OllamaLoadedModels")},
    {"GET", "/api/version", Dialect::kOllama, Scope::kNone, ollama_version,
     "The version of the server", replies("OllamaVersion")},
};

// What stands for the name in braces; nothing where the path does not match.
std::optional<std::string_view> match(std::string_view pattern, std::string_view path) {
  const size_t brace = pattern.find('{');
  if (brace == std::string_view::npos) {
    return pattern == path ? std::optional(std::string_view()) : std::nullopt;
  }
  if (!path.starts_with(pattern.substr(0, brace))) return std::nullopt;
  const size_t close = pattern.find('}');
  const std::string_view behind = pattern.substr(close + 1);
  path.remove_prefix(brace);
  if (path.size() <= behind.size() || !path.ends_with(behind)) return std::nullopt;
  path.remove_suffix(behind.size());
  const bool may_have_slashes = pattern.substr(brace, close + 1 - brace) == "{model}";
  if (!may_have_slashes && path.find('/') != std::string_view::npos) return std::nullopt;
  return path;
}

}  // namespace

std::span<const Route> routes() { return kRoutes; }

Dialect dialect_of(std::string_view path) {
  if (path.starts_with("/api/")) return Dialect::kOllama;
  return path.starts_with("/v1/messages") ? Dialect::kAnthropic : Dialect::kOpenAi;
}

RouteMatch find_route(std::string_view method, std::string_view path) {
  RouteMatch found;
  for (const Route& route : kRoutes) {
    const auto argument = match(route.path, path);
    if (!argument) continue;
    const std::string_view own = route.method;
    if (own == method || (own == "GET" && method == "HEAD")) {
      return {.route = &route, .argument = std::string(*argument)};
    }
    found.allowed += (found.allowed.empty() ? "" : ", ") + std::string(own);
  }
  return found;
}

}  // namespace minim::serve
