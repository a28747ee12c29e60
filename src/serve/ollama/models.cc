#include <fmt/core.h>

#include <ctime>
#include <utility>
#include <vector>

#include "model/memory.h"
#include "serve/engine/prompts.h"
#include "serve/ollama/handlers.h"
#include "serve/ollama/options.h"
#include "serve/request/json_text.h"
#include "serve/request/request_json.h"
#include "serve/telemetry/generation_trace.h"

namespace minim::serve {
namespace {

// What is not known before a model is loaded is left empty.
OrderedJson details(const ModelListing& listing) {
  const std::string parent = listing.adapter.empty() ? "" : listing.source.id;
  OrderedJson result = {{"parent_model", parent}, {"format", "gguf"},
                        {"family", ""},           {"families", nullptr},
                        {"parameter_size", ""},   {"quantization_level", ""}};
  if (listing.loaded == nullptr) return result;
  const ModelConfig& config = listing.loaded->model().config();
  result["format"] = listing.loaded->model().file().format();
  result["family"] = config.architecture;
  result["families"] = {config.architecture};
  result["parameter_size"] =
      fmt::format("{:.2f}M", static_cast<double>(parameter_count(config)) / 1e6);
  return result;
}

OrderedJson entry(const ModelListing& listing) {
  return {{"name", listing.id},
          {"model", listing.id},
          {"modified_at", rfc3339(listing.created)},
          {"size", listing.file_bytes},
          {"digest", ""},
          {"details", details(listing)}};
}

HttpResponse embed(ServedModel& model, const std::vector<Prompt>& inputs, int64_t dimensions) {
  std::vector<std::vector<TokenId>> texts;
  int64_t tokens = 0;
  for (const Prompt& input : inputs) {
    tokens += static_cast<int64_t>(input.tokens.size());
    texts.push_back(input.tokens);
  }
  const Embeddings result = model.embed(std::move(texts), {.dimensions = dimensions});
  OrderedJson rows = OrderedJson::array();
  for (int64_t i = 0; i < result.count(); ++i) rows.push_back(result.row(i));
  const OrderedJson body = {
      {"model", model.id()}, {"embeddings", std::move(rows)}, {"prompt_eval_count", tokens}};
  return {.body = json_text(body)};
}

}  // namespace

void ollama_tags(const Call& call) {
  OrderedJson models = OrderedJson::array();
  for (const ModelListing& listing : call.parts.models.list()) models.push_back(entry(listing));
  call.exchange->respond({.body = json_text(OrderedJson::object({{"models", models}}))});
}

void ollama_ps(const Call& call) {
  OrderedJson models = OrderedJson::array();
  for (const ModelListing& listing : call.parts.models.list()) {
    if (listing.loaded == nullptr || !listing.adapter.empty()) continue;
    OrderedJson model = entry(listing);
    model["size"] = listing.loaded->model().weight_bytes();
    model["size_vram"] = 0;
    model["context_length"] = listing.loaded->context_tokens();
    model["expires_at"] = "9999-12-31T23:59:59Z";  // it stays until its memory is needed
    models.push_back(std::move(model));
  }
  call.exchange->respond({.body = json_text(OrderedJson::object({{"models", models}}))});
}

void ollama_version(const Call& call) {
  call.exchange->respond({.body = json_text(OrderedJson::object({{"version", MINIM_VERSION}}))});
}

void ollama_show(const Call& call) {
  const OrderedJson body = parse_request_json(call.request().body);
  Fields fields(body);
  const std::string id = ollama_model_id(fields);
  fields.boolean("verbose");
  fields.finish();
  with_model(call, id, [call](const std::shared_ptr<ServedModel>& model) {
    const ModelConfig& config = model->model().config();
    const std::string& arch = config.architecture;
    OrderedJson capabilities = {"completion"};
    if (model->adapters() == nullptr) capabilities.push_back("embedding");
    if (model->has_tool_calls()) capabilities.push_back("tools");
    if (model->fill_tokens()) capabilities.push_back("insert");
    const bool adapted = model->adapters() != nullptr;
    const ModelListing listing{.id = model->id(),
                               .adapter = adapted ? model->id() : "",
                               .source = model->source(),
                               .loaded = model};
    const OrderedJson info = {{"general.architecture", arch},
                              {"general.parameter_count", parameter_count(config)},
                              {arch + ".context_length", config.context_length},
                              {arch + ".embedding_length", config.dim},
                              {arch + ".block_count", config.layer_count}};
    const OrderedJson reply = {{"modelfile", ""},
                               {"parameters", ""},
                               {"template", model->tokenizer()->vocabulary().chat_template},
                               {"details", details(listing)},
                               {"model_info", info},
                               {"capabilities", capabilities}};
    call.exchange->respond({.body = json_text(reply)});
  });
}

void ollama_embed(const Call& call) {
  const auto body = std::make_shared<const OrderedJson>(parse_request_json(call.request().body));
  Fields first(*body);
  with_model(call, ollama_model_id(first), [call, body](const std::shared_ptr<ServedModel>& model) {
    Fields fields(*body);
    ollama_model_id(fields);
    const auto inputs =
        read_prompts(fields, "input", *model, static_cast<size_t>(call.parts.limits.inputs_max));
    const auto dimensions =
        fields.integer("dimensions", {1, model->model().config().dim}).value_or(0);
    // Texts are never cut here: what is too long is refused.
    fields.boolean("truncate");
    read_ollama_options(fields, *model, call.parts.limits);
    ignore_keep_alive(fields);
    fields.finish();
    int64_t tokens = 0;
    for (const Prompt& input : inputs) tokens += static_cast<int64_t>(input.tokens.size());
    count_tokens_of(call, tokens);
    respond_later(call, [call, model, inputs, dimensions, tokens] {
      const int64_t begin = unix_nanoseconds();
      HttpResponse response = embed(*model, inputs, dimensions);
      trace_embeddings(call, model->id(), tokens, begin);
      return response;
    });
  });
}

}  // namespace minim::serve
