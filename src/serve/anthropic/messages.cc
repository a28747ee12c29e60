#include <fmt/core.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "serve/anthropic/conversation.h"
#include "serve/anthropic/handlers.h"
#include "serve/engine/extension.h"
#include "serve/http/sse.h"
#include "serve/request/generation_numbers.h"
#include "serve/request/json_text.h"
#include "serve/request/request_json.h"
#include "text/partial_json.h"

namespace minim::serve {
namespace {

struct MessageOptions {
  bool stream = false;
  PreparedChat prepared;
};

// One answer, as a list of blocks: thinking, text, calls of tools.
class MessageReply : public GenerationReply {
 public:
  MessageReply(const Call& call, std::shared_ptr<ServedModel> model, const MessageOptions& options)
      : call_(call),
        model_(std::move(model)),
        stream_(options.stream),
        prompt_tokens_(options.prepared.prompt_tokens),
        parts_(options.prepared.parts) {}

  void token(size_t, const GenerationEvent& event) override { add(parts_.push(event.text)); }
  void done(size_t, const GenerationEvent& event, const GenerationStatistics& statistics) override;
  void finish() override;
  void fail(const Refusal& refusal) override;

 private:
  std::string id(const char* prefix) const { return prefix + call_.request().id.substr(4); }
  void add(std::vector<AnswerPart> parts);
  void add_text(const char* type, const char* field, const std::string& piece);
  void add_call(const ParsedToolCall& piece);
  void open_block(OrderedJson block);
  void close_block();
  void send_delta(OrderedJson delta);
  void begin();
  void send(const char* name, const OrderedJson& event);
  OrderedJson message() const;
  OrderedJson usage() const;

  const Call call_;
  const std::shared_ptr<ServedModel> model_;
  const bool stream_;
  const int64_t prompt_tokens_;
  AnswerParts parts_;
  OrderedJson blocks_ = OrderedJson::array();
  bool open_ = false;    // the last block may get more
  PartialJson input_;    // of the call that is open, where it is not streamed
  bool called_ = false;  // a tool
  OrderedJson reason_ = nullptr;
  OrderedJson stop_sequence_ = nullptr;
  GenerationStatistics statistics_;
};

OrderedJson MessageReply::usage() const {
  const int64_t cached = statistics_.reused_tokens;
  return {{"input_tokens", prompt_tokens_ - cached},
          {"cache_creation_input_tokens", 0},
          {"cache_read_input_tokens", cached},
          {"output_tokens", statistics_.generated_tokens}};
}

OrderedJson MessageReply::message() const {
  return {{"id", id("msg_")},
          {"type", "message"},
          {"role", "assistant"},
          {"model", model_->id()},
          {"content", blocks_},
          {"stop_reason", reason_},
          {"stop_sequence", stop_sequence_},
          {"usage", usage()}};
}

void MessageReply::send(const char* name, const OrderedJson& event) {
  call_.exchange->write(sse_event(json_text(event), name));
}

void MessageReply::begin() {
  if (call_.exchange->started()) return;
  const OrderedJson event = {{"type", "message_start"}, {"message", message()}};
  call_.exchange->begin({.content_type = "text/event-stream",
                         .headers = {{"cache-control", "no-cache"}},
                         .body = sse_event(json_text(event), "message_start")});
}

void MessageReply::close_block() {
  if (!open_) return;
  open_ = false;
  // Of a call that was cut, what there is.
  if (!stream_ && blocks_.back()["type"] == "tool_use") {
    blocks_.back()["input"] = parse_request_json(input_.completed());
  }
  if (stream_) {
    send("content_block_stop", {{"type", "content_block_stop"}, {"index", blocks_.size() - 1}});
  }
}

void MessageReply::open_block(OrderedJson block) {
  close_block();
  blocks_.push_back(std::move(block));
  open_ = true;
  if (!stream_) return;
  send("content_block_start", {{"type", "content_block_start"},
                               {"index", blocks_.size() - 1},
                               {"content_block", blocks_.back()}});
}

void MessageReply::send_delta(OrderedJson delta) {
  send("content_block_delta", {{"type", "content_block_delta"},
                               {"index", blocks_.size() - 1},
                               {"delta", std::move(delta)}});
}

void MessageReply::add_text(const char* type, const char* field, const std::string& piece) {
  if (!open_ || blocks_.back()["type"] != type) {
    OrderedJson block = {{"type", type}, {field, ""}};
    if (std::string_view(type) == "thinking") block["signature"] = "";
    open_block(std::move(block));
  }
  if (stream_) return send_delta({{"type", std::string(type) + "_delta"}, {field, piece}});
  blocks_.back()[field].get_ref<std::string&>() += piece;
}

void MessageReply::add_call(const ParsedToolCall& piece) {
  if (piece.begins) {
    called_ = true;
    input_ = PartialJson();
    const std::string call_id = fmt::format("{}_{}", id("toolu_"), blocks_.size());
    open_block({{"type", "tool_use"},
                {"id", call_id},
                {"name", piece.call.name},
                {"input", OrderedJson::object()}});
  }
  const std::string& json = piece.call.arguments;
  if (stream_) {
    send_delta({{"type", "input_json_delta"}, {"partial_json", json}});
  } else {
    input_.push(json);
  }
  if (piece.ends) close_block();
}

void MessageReply::add(std::vector<AnswerPart> parts) {
  if (stream_) begin();
  for (const AnswerPart& part : parts) {
    switch (part.kind) {
      case AnswerPart::Kind::kText: add_text("text", "text", part.text); break;
      case AnswerPart::Kind::kReasoning: add_text("thinking", "thinking", part.text); break;
      case AnswerPart::Kind::kToolCall: add_call(part.piece); break;
    }
  }
}

void MessageReply::done(size_t, const GenerationEvent& event,
                        const GenerationStatistics& statistics) {
  add(parts_.push(event.text));
  add(parts_.finish());
  close_block();
  statistics_ = statistics;
  if (event.reason == StopReason::kTokensMax || event.reason == StopReason::kContextFull) {
    reason_ = "max_tokens";
  } else if (event.reason == StopReason::kStopString) {
    reason_ = "stop_sequence";
    stop_sequence_ = event.stop_string;
  } else {
    reason_ = called_ ? "tool_use" : "end_turn";
  }
}

void MessageReply::finish() {
  const OrderedJson extension = extension_json(statistics_, statistics_.energy);
  if (!stream_) {
    OrderedJson whole = message();
    whole["minim"] = extension;
    return call_.exchange->respond({.body = json_text(whole)});
  }
  send("message_delta", {{"type", "message_delta"},
                         {"delta", {{"stop_reason", reason_}, {"stop_sequence", stop_sequence_}}},
                         {"usage", usage()},
                         {"minim", extension}});
  send("message_stop", {{"type", "message_stop"}});
  call_.exchange->finish();
}

void MessageReply::fail(const Refusal& refusal) {
  if (!call_.exchange->started()) {
    return call_.exchange->respond(refusal_response(call_.dialect, refusal));
  }
  call_.exchange->write(sse_event(refusal_body(call_.dialect, refusal), "error"));
  call_.exchange->finish();
}

void read_generation(Fields& fields, const Call& call, const ServedModel& model,
                     TextGeneratorOptions& generator) {
  fields.required("max_tokens");
  generator.generator.tokens_max =
      fields.integer("max_tokens", {1, model.context_tokens()}).value_or(1);
  SamplerOptions& sampler = generator.generator.sampler;
  sampler = plain_sampling();
  sampler.temperature = static_cast<float>(fields.number("temperature", {0, 1}).value_or(1.0));
  set_top_p(fields, sampler);
  sampler.top_k = static_cast<int>(fields.integer("top_k", {0, 1 << 24}).value_or(0));
  generator.stop_strings =
      read_stop_strings(fields, "stop_sequences", call.parts.limits.stop_strings_max);
}

// "output_config": {"format": {"type": "json_schema", "schema"}}.
std::optional<AnswerFormat> read_output_format(Fields& fields) {
  auto config = fields.object("output_config");
  if (!config) return std::nullopt;
  std::optional<AnswerFormat> result;
  if (auto format = config->object("format")) {
    format->required("type");
    format->choice("type", {"json_schema"});
    const OrderedJson& schema = format->required("schema");
    if (!schema.is_object()) format->refuse("schema", "must be an object", "invalid_type");
    result = {{.kind = ConstraintKind::kSchema, .text = json_text(schema)},
              format->path_of("schema")};
    format->finish();
  }
  config->finish();
  return result;
}

MessageOptions read_request(const Call& call, const OrderedJson& body, ServedModel& model) {
  Fields fields(body);
  fields.ignore({"model", "metadata"});
  if (!model.has_chat()) throw Refusal(400, model.chat_problem(), "model", "no_chat_template");
  ChatPlan plan;
  MessageOptions options;
  read_conversation(fields, model, plan);
  read_generation(fields, call, model, plan.generator);
  plan.format = read_output_format(fields);
  if (plan.format && plan.tools.allowed()) {
    fields.refuse("output_config", "cannot be combined with tools; leave one of the two out");
  }
  if (plan.format && !plan.prefill.empty()) {
    fields.refuse("output_config", "cannot be combined with an answer that is begun already");
  }
  options.stream = fields.boolean("stream").value_or(false);
  fields.choice("service_tier", {"auto", "standard_only"});
  if (auto thinking = fields.object("thinking")) {
    thinking->required("type");
    thinking->choice("type", {"disabled"});
    thinking->finish();
  }
  fields.finish();
  options.prepared = prepare_chat(model, std::move(plan));
  return options;
}

HttpResponse count(const OrderedJson& body, ServedModel& model) {
  Fields fields(body);
  fields.ignore({"model"});
  if (!model.has_chat()) throw Refusal(400, model.chat_problem(), "model", "no_chat_template");
  ChatPlan plan;
  read_conversation(fields, model, plan);
  fields.ignore({"thinking"});
  fields.finish();
  const PreparedChat prepared = prepare_chat(model, std::move(plan));
  return {.body = fmt::format(R"({{"input_tokens":{}}})", prepared.prompt_tokens)};
}

std::shared_ptr<const OrderedJson> read_body(const Call& call, std::string& id) {
  auto body = std::make_shared<const OrderedJson>(parse_request_json(call.request().body));
  id = Fields(*body).text("model").value_or("");
  return body;
}

}  // namespace

void messages(const Call& call) {
  std::string id;
  const auto body = read_body(call, id);
  with_model(call, id, [call, body](const std::shared_ptr<ServedModel>& model) {
    const auto start = [call, model](MessageOptions options) {
      auto reply = std::make_unique<MessageReply>(call, model, options);
      generate(call, model, std::move(options.prepared.texts), std::move(reply));
    };
    if (!body->contains("tools") && !body->contains("output_config"))
      return start(read_request(call, *body, *model));
    go_on_later<MessageOptions>(
        call, [call, body, model] { return read_request(call, *body, *model); }, start);
  });
}

void count_tokens(const Call& call) {
  std::string id;
  const auto body = read_body(call, id);
  with_model(call, id, [call, body](const std::shared_ptr<ServedModel>& model) {
    respond_later(call, [body, model] { return count(*body, *model); });
  });
}

}  // namespace minim::serve
