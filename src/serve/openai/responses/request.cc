#include "serve/openai/responses/request.h"

#include <fmt/core.h>

#include <utility>
#include <vector>

#include "serve/openai/generation_fields.h"
#include "serve/openai/metadata.h"
#include "serve/openai/response_format.h"
#include "serve/openai/responses/items.h"
#include "serve/openai/responses/store.h"
#include "serve/openai/tools.h"

namespace minim::serve {
namespace {

constexpr int64_t kTopLogprobsMax = 20;
constexpr size_t kTurnsMax = 4096;

OrderedJson value_or_null(Fields& fields, std::string_view name) {
  const OrderedJson* value = fields.value(name);
  return value == nullptr ? OrderedJson(nullptr) : *value;
}

// All items before the request's own, oldest first.
OrderedJson read_earlier_items(const Call& call, Fields& fields) {
  OrderedJson items = OrderedJson::array();
  const auto previous = fields.text("previous_response_id");
  if (!previous) return items;
  if (previous->empty()) fields.refuse("previous_response_id", "is empty");
  std::vector<StoredResponse> turns;
  for (std::string id = *previous; !id.empty();) {
    auto found = call.parts.responses.find(call.holder(), id);
    if (!found || turns.size() == kTurnsMax) {
      const char* where = turns.empty() ? "" : ", which the conversation needs,";
      fields.refuse("previous_response_id",
                    fmt::format("cannot be continued: the response '{}'{} is not kept here (any "
                                "more)",
                                id.substr(0, 100), where),
                    "previous_response_not_found");
    }
    if (found->underway()) {
      fields.refuse("previous_response_id", "cannot be continued before it is complete");
    }
    const OrderedJson& before = found->response["previous_response_id"];
    id = before.is_string() ? before.get<std::string>() : "";
    turns.push_back(*std::move(found));
  }
  for (auto turn = turns.rbegin(); turn != turns.rend(); ++turn) {
    for (OrderedJson& item : turn->input) items.push_back(std::move(item));
    for (OrderedJson& item : turn->response["output"]) items.push_back(std::move(item));
  }
  return items;
}

// The messages of all that was said; in front of them, instructions for this answer only.
OrderedJson read_messages_of(const Call& call, Fields& fields, const ServedModel& model,
                             ResponseRequest& request) {
  OrderedJson items = read_earlier_items(call, fields);
  const size_t first = items.size();
  request.input = read_input_items(fields, model, request.id.substr(5));
  for (const OrderedJson& item : request.input) items.push_back(item);
  OrderedJson messages = OrderedJson::array();
  if (const auto instructions = fields.text("instructions")) {
    messages.push_back({{"role", "system"}, {"content", *instructions}});
  }
  for (OrderedJson& message : messages_of_items(items, first))
    messages.push_back(std::move(message));
  return messages;
}

void read_included(Fields& fields, ResponseRequest& request, TextGeneratorOptions& generator) {
  if (const OrderedJson* list = fields.list("include", 16)) {
    for (size_t i = 0; i < list->size(); ++i) {
      if ((*list)[i] != "message.output_text.logprobs") {
        refuse_value(fmt::format("include[{}]", i), "can only be 'message.output_text.logprobs'",
                     "unsupported_value");
      }
      request.wants_logprobs = true;
    }
  }
  const auto top = fields.integer("top_logprobs", {0, kTopLogprobsMax});
  if (top) request.wants_logprobs = true;
  if (request.wants_logprobs) {
    generator.generator.sampler.logprobs = static_cast<int>(top.value_or(0));
  }
}

std::optional<AnswerFormat> read_text(Fields& fields) {
  auto text = fields.object("text");
  if (!text) return std::nullopt;
  auto format = read_text_format(*text);
  text->unsupported({"verbosity"});
  text->finish();
  return format;
}

void read_reasoning(Fields& fields) {
  auto reasoning = fields.object("reasoning");
  if (!reasoning) return;
  reasoning->unsupported({"effort", "summary", "generate_summary"});
  reasoning->finish();
}

void read_manner(Fields& fields, ResponseRequest& request) {
  request.stream = fields.boolean("stream").value_or(false);
  if (auto options = fields.object("stream_options")) {
    if (!request.stream) fields.refuse("stream_options", "is only for requests with 'stream'");
    options->ignore({"include_obfuscation"});
    options->finish();
  }
  request.store = fields.boolean("store").value_or(true);
  request.background = fields.boolean("background").value_or(false);
  if (request.background && !request.store) {
    fields.refuse("background", "needs 'store', or nobody could ask for it");
  }
}

void refuse_the_rest(Fields& fields) {
  if (fields.choice("truncation", {"disabled", "auto"}) == size_t{1}) {
    fields.refuse("truncation", "can only be 'disabled': conversations are never cut here",
                  "unsupported_value");
  }
  fields.unsupported({"conversation", "prompt", "max_tool_calls", "context_management"});
}

// The tools as the API shows them: flat, with what was not given as it counts.
OrderedJson shown_tools(const Tools& tools) {
  OrderedJson shown = OrderedJson::array();
  for (const OrderedJson& tool : tools.list) {
    OrderedJson one = {{"type", "function"}};
    for (const auto& [name, value] : tool["function"].items()) one[name] = value;
    if (!one.contains("description")) one["description"] = nullptr;
    one["strict"] = true;
    shown.push_back(std::move(one));
  }
  return shown;
}

OrderedJson shown_text(const OrderedJson* given) {
  OrderedJson shown = given == nullptr ? OrderedJson::object() : *given;
  if (!shown.contains("format") || shown["format"].is_null()) {
    shown["format"] = {{"type", "text"}};
  }
  return shown;
}

OrderedJson echo_of(Fields& fields, const ChatPlan& plan, const ResponseRequest& request,
                    const OrderedJson& metadata) {
  const OrderedJson temperature = value_or_null(fields, "temperature");
  const OrderedJson top_p = value_or_null(fields, "top_p");
  const OrderedJson top_logprobs = value_or_null(fields, "top_logprobs");
  const OrderedJson choice = value_or_null(fields, "tool_choice");
  return {{"background", request.background},
          {"instructions", value_or_null(fields, "instructions")},
          {"max_output_tokens", value_or_null(fields, "max_output_tokens")},
          {"max_tool_calls", nullptr},
          {"metadata", metadata},
          {"parallel_tool_calls", plan.tools.parallel},
          {"previous_response_id", value_or_null(fields, "previous_response_id")},
          {"prompt_cache_key", value_or_null(fields, "prompt_cache_key")},
          {"reasoning", {{"effort", nullptr}, {"summary", nullptr}}},
          {"safety_identifier", value_or_null(fields, "safety_identifier")},
          {"service_tier", "default"},
          {"store", request.store},
          {"temperature", temperature.is_null() ? OrderedJson(1.0) : temperature},
          {"text", shown_text(fields.value("text"))},
          {"tool_choice", choice.is_null() ? OrderedJson("auto") : choice},
          {"tools", shown_tools(plan.tools)},
          {"top_logprobs", top_logprobs.is_null() ? OrderedJson(0) : top_logprobs},
          {"top_p", top_p.is_null() ? OrderedJson(1.0) : top_p},
          {"truncation", "disabled"},
          {"user", value_or_null(fields, "user")}};
}

}  // namespace

ResponseRequest read_response_request(const Call& call, const OrderedJson& body,
                                      ServedModel& model) {
  Fields fields(body);
  fields.ignore({"model"});
  if (!model.has_chat()) throw Refusal(400, model.chat_problem(), "model", "no_chat_template");
  ResponseRequest request;
  request.id = "resp_" + call.request().id.substr(4);
  read_manner(fields, request);
  ChatPlan plan{.messages = read_messages_of(call, fields, model, request)};
  const OrderedJson metadata = read_metadata(fields);
  plan.generator = read_sampling(fields, *model.tokenizer(), call.parts.limits);
  read_included(fields, request, plan.generator);
  if (const auto most = fields.integer("max_output_tokens", {1, model.context_tokens()})) {
    plan.generator.generator.tokens_max = *most;
  }
  plan.format = read_text(fields);
  plan.tools = read_tools(fields, model, ToolStyle::kFlat);
  if (plan.format && plan.tools.allowed()) {
    fields.refuse("text", "cannot have a format together with tools; leave one of the two out");
  }
  read_reasoning(fields);
  refuse_the_rest(fields);
  ignore_labels(fields);
  fields.finish();
  request.echo = echo_of(fields, plan, request, metadata);
  request.prepared = prepare_chat(model, std::move(plan));
  return request;
}

}  // namespace minim::serve
