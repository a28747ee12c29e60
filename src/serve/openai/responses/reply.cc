#include "serve/openai/responses/reply.h"

#include <fmt/core.h>

#include <ctime>
#include <utility>

#include "serve/http/sse.h"
#include "serve/openai/responses/store.h"
#include "serve/request/json_text.h"

namespace minim::serve {
namespace {

bool is_blank(const std::string& text) {
  return text.find_first_not_of(" \t\r\n") == std::string::npos;
}

}  // namespace

ResponseReply::ResponseReply(const Call& call, std::shared_ptr<ServedModel> model,
                             ResponseRequest request, std::shared_ptr<ResponseEvents> events)
    : call_(call),
      model_(std::move(model)),
      request_(std::move(request)),
      events_(std::move(events)),
      created_(std::time(nullptr)),
      parts_(request_.prepared.parts) {}

OrderedJson ResponseReply::object(const char* status) const {
  OrderedJson response = {{"id", request_.id},      {"object", "response"},
                          {"created_at", created_}, {"status", status},
                          {"error", nullptr},       {"incomplete_details", nullptr},
                          {"model", model_->id()},  {"output", output_}};
  response.update(request_.echo);
  if (cut_) response["incomplete_details"] = {{"reason", "max_output_tokens"}};
  const bool ended = std::string_view(status) != "in_progress";
  response["completed_at"] = ended ? OrderedJson(std::time(nullptr)) : OrderedJson(nullptr);
  response["usage"] = nullptr;
  if (!ended) return response;
  const int64_t prompt = usage_.prompt_tokens();
  response["usage"] = {{"input_tokens", prompt},
                       {"input_tokens_details", {{"cached_tokens", usage_.cached_tokens()}}},
                       {"output_tokens", usage_.generated_tokens()},
                       {"output_tokens_details", {{"reasoning_tokens", 0}}},
                       {"total_tokens", prompt + usage_.generated_tokens()}};
  response["minim"] = usage_.extension();
  return response;
}

// ---- events ------------------------------------------------------------------------------------

void ResponseReply::send(const char* type, OrderedJson event) {
  if (!request_.stream) return;
  OrderedJson numbered = {{"type", type}, {"sequence_number", sequence_++}};
  numbered.update(event);
  std::string text = sse_event(json_text(numbered), type);
  if (events_ != nullptr) return events_->append(std::move(text));
  if (call_.exchange->started()) return call_.exchange->write(std::move(text));
  call_.exchange->begin({.content_type = "text/event-stream",
                         .headers = {{"cache-control", "no-cache"}},
                         .body = std::move(text)});
}

// Of the item that is the last one.
void ResponseReply::send_of_item(const char* type, OrderedJson event) {
  if (!request_.stream) return;
  OrderedJson of_item = {{"item_id", output_.back()["id"]}, {"output_index", output_.size() - 1}};
  of_item.update(event);
  send(type, std::move(of_item));
}

void ResponseReply::begin() {
  if (!request_.stream || sequence_ > 0) return;
  send("response.created", {{"response", response()}});
  send("response.in_progress", {{"response", response()}});
}

// ---- items -------------------------------------------------------------------------------------

std::string ResponseReply::item_id(const char* prefix) const {
  return fmt::format("{}_{}_o{}", prefix, request_.id.substr(5), output_.size());
}

OrderedJson ResponseReply::take_logprobs() {
  OrderedJson taken = std::exchange(new_logprobs_, OrderedJson::array());
  for (const OrderedJson& each : taken) logprobs_.push_back(each);
  return taken;
}

void ResponseReply::open_item(Open kind) {
  close_item("completed");
  open_ = kind;
  const bool is_message = kind == Open::kMessage;
  OrderedJson item = {{"id", item_id(is_message ? "msg" : "rs")},
                      {"type", is_message ? "message" : "reasoning"},
                      {"status", "in_progress"}};
  if (is_message) {
    item["role"] = "assistant";
  } else {
    item["summary"] = OrderedJson::array();
  }
  item["content"] = OrderedJson::array();
  output_.push_back(item);
  send("response.output_item.added",
       {{"output_index", output_.size() - 1}, {"item", std::move(item)}});
  OrderedJson part = {{"type", is_message ? "output_text" : "reasoning_text"}, {"text", ""}};
  if (is_message) {
    part["annotations"] = OrderedJson::array();
    part["logprobs"] = OrderedJson::array();
  }
  send_of_item("response.content_part.added", {{"content_index", 0}, {"part", std::move(part)}});
}

void ResponseReply::close_item(const char* status) {
  const Open kind = std::exchange(open_, Open::kNothing);
  if (kind == Open::kNothing) return;
  if (kind == Open::kCall) return close_call(status);
  const bool is_message = kind == Open::kMessage;
  OrderedJson& item = output_.back();
  item["status"] = status;
  OrderedJson part = {{"type", is_message ? "output_text" : "reasoning_text"}, {"text", text_}};
  OrderedJson done = {{"content_index", 0}, {"text", std::exchange(text_, {})}};
  if (is_message) {
    part["annotations"] = OrderedJson::array();
    part["logprobs"] = logprobs_;
    done["logprobs"] = std::exchange(logprobs_, OrderedJson::array());
  }
  item["content"].push_back(part);
  send_of_item(is_message ? "response.output_text.done" : "response.reasoning_text.done",
               std::move(done));
  send_of_item("response.content_part.done", {{"content_index", 0}, {"part", std::move(part)}});
  send("response.output_item.done", {{"output_index", output_.size() - 1}, {"item", item}});
}

void ResponseReply::close_call(const char* status) {
  OrderedJson& item = output_.back();
  item["status"] = status;
  item["arguments"] = std::exchange(text_, {});
  send_of_item("response.function_call_arguments.done",
               {{"name", item["name"]}, {"arguments", item["arguments"]}});
  send("response.output_item.done", {{"output_index", output_.size() - 1}, {"item", item}});
}

void ResponseReply::add_text(Open kind, const std::string& piece) {
  if (open_ != kind) open_item(kind);
  text_ += piece;
  OrderedJson delta = {{"content_index", 0}, {"delta", piece}};
  if (kind == Open::kMessage) delta["logprobs"] = take_logprobs();
  send_of_item(
      kind == Open::kMessage ? "response.output_text.delta" : "response.reasoning_text.delta",
      std::move(delta));
}

void ResponseReply::add_call(const ParsedToolCall& piece) {
  if (piece.begins) {
    close_item("completed");
    open_ = Open::kCall;
    output_.push_back({{"id", item_id("fc")},
                       {"type", "function_call"},
                       {"status", "in_progress"},
                       {"call_id", fmt::format("call_{}_{}", request_.id.substr(5), calls_++)},
                       {"name", piece.call.name},
                       {"arguments", ""}});
    send("response.output_item.added",
         {{"output_index", output_.size() - 1}, {"item", output_.back()}});
  }
  text_ += piece.call.arguments;
  send_of_item("response.function_call_arguments.delta", {{"delta", piece.call.arguments}});
  if (piece.ends) close_item("completed");
}

void ResponseReply::add(std::vector<AnswerPart> parts) {
  for (AnswerPart& part : parts) {
    switch (part.kind) {
      case AnswerPart::Kind::kToolCall:
        held_back_.clear();
        new_logprobs_.clear();
        add_call(part.piece);
        break;
      case AnswerPart::Kind::kReasoning:
        held_back_.clear();
        new_logprobs_.clear();
        add_text(Open::kReasoning, part.text);
        break;
      case AnswerPart::Kind::kText:
        part.text = std::exchange(held_back_, {}) + part.text;
        if (open_ != Open::kMessage && is_blank(part.text)) {
          held_back_ = std::move(part.text);
        } else {
          add_text(Open::kMessage, part.text);
        }
    }
  }
}

// ---- the text ----------------------------------------------------------------------------------

void ResponseReply::token(size_t, const GenerationEvent& event) {
  begin();
  if (request_.wants_logprobs) {
    new_logprobs_.push_back(chat_logprob(*model_->tokenizer(), event));
  }
  add(parts_.push(event.text));
}

void ResponseReply::done(size_t, const GenerationEvent& event,
                         const GenerationStatistics& statistics) {
  begin();
  usage_.add(0, statistics);
  add(parts_.push(event.text));
  add(parts_.finish());
  cut_ = std::string_view(finish_reason(event.reason)) == "length";
  // An answer without a word is an answer too.
  if (output_.empty() || (open_ == Open::kMessage && !new_logprobs_.empty())) {
    add_text(Open::kMessage, held_back_);
  }
  close_item(cut_ ? "incomplete" : "completed");
}

void ResponseReply::keep(OrderedJson response) {
  if (!request_.store) return;
  if (request_.background) {
    call_.parts.responses.complete(call_.holder(), std::move(response));
  } else {
    call_.parts.responses.put(
        call_.holder(),
        {.id = request_.id, .response = std::move(response), .input = request_.input});
  }
}

void ResponseReply::finish() {
  const char* status = cut_ ? "incomplete" : "completed";
  OrderedJson response = object(status);
  keep(response);
  if (!request_.stream) return call_.exchange->respond({.body = json_text(response)});
  send(cut_ ? "response.incomplete" : "response.completed", {{"response", std::move(response)}});
  if (events_ != nullptr) return call_.exchange->respond({});
  call_.exchange->finish();
}

void ResponseReply::fail(const Refusal& refusal) {
  if (!call_.exchange->started()) {
    return call_.exchange->respond(refusal_response(call_.dialect, refusal));
  }
  close_item("incomplete");
  OrderedJson response = object("failed");
  response["error"] = {{"code", "server_error"}, {"message", refusal.what()}};
  send("response.failed", {{"response", std::move(response)}});
  call_.exchange->finish();
}

}  // namespace minim::serve
