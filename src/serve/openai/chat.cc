#include <fmt/core.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "serve/engine/chat_plan.h"
#include "serve/openai/chat_messages.h"
#include "serve/openai/handlers.h"
#include "serve/openai/reply.h"
#include "serve/openai/response_format.h"
#include "serve/openai/tools.h"
#include "serve/request/json_text.h"
#include "serve/request/request_json.h"

namespace minim::serve {
namespace {

constexpr int64_t kTopLogprobsMax = 20;

struct ChatOptions {
  StreamFields stream;
  bool logprobs = false;
  const char* call_reason = "tool_calls";  // the finish_reason where a tool is called
  PreparedChat prepared;
};

class ChatReply : public OpenAiReply {
 public:
  ChatReply(const Call& call, std::shared_ptr<ServedModel> model, const ChatOptions& options)
      : OpenAiReply(
            call, std::move(model),
            {.object = "chat.completion", .id_prefix = "chatcmpl-", .stream = options.stream}),
        wants_logprobs_(options.logprobs),
        call_reason_(options.call_reason),
        call_id_("call_" + call.request().id.substr(4)) {
    for (size_t i = 0; i < options.prepared.texts.size(); ++i) {
      answers_.emplace_back(options.prepared.parts);
    }
  }

  void token(size_t text, const GenerationEvent& event) override {
    if (wants_logprobs_) answers_[text].logprobs.push_back(chat_logprob(tokenizer(), event));
    add(text, answers_[text].parts.push(event.text));
  }

  void done(size_t text, const GenerationEvent& event,
            const GenerationStatistics& statistics) override {
    count(0, statistics);
    Answer& answer = answers_[text];
    add(text, answer.parts.push(event.text));
    answer.reason = finish_reason(event.reason);
    add(text, answer.parts.finish());
    if (!answer.calls.empty() && std::string_view(answer.reason) == "stop") {
      answer.reason = call_reason_;
    }
    if (!streams()) return;
    begin_streams();
    send_choice(fmt::format(R"({{"index":{},"delta":{{}},"logprobs":null,"finish_reason":"{}"}})",
                            text, answer.reason));
  }

 protected:
  OrderedJson choices() override;

 private:
  struct Answer {
    explicit Answer(const AnswerParts::Options& options) : parts(options) {}

    AnswerParts parts;
    std::string text;
    std::string reasoning;
    OrderedJson calls = OrderedJson::array();
    OrderedJson logprobs = OrderedJson::array();  // of a stream, those that were not sent
    const char* reason = "stop";
  };

  void add(size_t text, std::vector<AnswerPart> parts);
  void add_call(size_t text, const ParsedToolCall& piece);
  void send_delta(size_t text, const OrderedJson& delta);
  void begin_streams();

  const bool wants_logprobs_;
  const char* const call_reason_;
  const std::string call_id_;
  std::vector<Answer> answers_;
};

// Every choice begins with its role, before any has a text.
void ChatReply::begin_streams() {
  if (begun()) return;
  for (size_t i = 0; i < answers_.size(); ++i) {
    send_choice(fmt::format(R"({{"index":{},"delta":{{"role":"assistant","content":"",)"
                            R"("refusal":null}},"logprobs":null,"finish_reason":null}})",
                            i));
  }
}

void ChatReply::send_delta(size_t text, const OrderedJson& delta) {
  OrderedJson& logprobs = answers_[text].logprobs;
  std::string told = "null";
  if (wants_logprobs_) {
    told = fmt::format(R"({{"content":{},"refusal":null}})", json_text(logprobs));
    logprobs = OrderedJson::array();
  }
  send_choice(fmt::format(R"({{"index":{},"delta":{},"logprobs":{},"finish_reason":null}})", text,
                          json_text(delta), told));
}

void ChatReply::add_call(size_t text, const ParsedToolCall& piece) {
  Answer& answer = answers_[text];
  OrderedJson told = {{"index", piece.index}};
  if (piece.begins) {
    const std::string id = fmt::format("{}_{}_{}", call_id_, text, piece.index);
    const OrderedJson function = {{"name", piece.call.name}, {"arguments", ""}};
    answer.calls.push_back({{"id", id}, {"type", "function"}, {"function", function}});
    told.update(answer.calls.back());
  }
  const std::string& arguments = piece.call.arguments;
  answer.calls.back()["function"]["arguments"].get_ref<std::string&>() += arguments;
  told["function"]["arguments"] = arguments;
  if (streams()) send_delta(text, {{"tool_calls", OrderedJson::array({std::move(told)})}});
}

void ChatReply::add(size_t text, std::vector<AnswerPart> parts) {
  Answer& answer = answers_[text];
  if (streams()) begin_streams();
  for (AnswerPart& part : parts) {
    if (part.kind == AnswerPart::Kind::kToolCall) {
      add_call(text, part.piece);
      continue;
    }
    const bool is_text = part.kind == AnswerPart::Kind::kText;
    if (streams()) {
      send_delta(text, {{is_text ? "content" : "reasoning_content", part.text}});
    } else {
      (is_text ? answer.text : answer.reasoning) += part.text;
    }
  }
  if (streams() && parts.empty() && !answer.logprobs.empty()) send_delta(text, {{"content", ""}});
}

OrderedJson ChatReply::choices() {
  OrderedJson list = OrderedJson::array();
  for (size_t i = 0; i < answers_.size(); ++i) {
    Answer& answer = answers_[i];
    OrderedJson message = {{"role", "assistant"}, {"content", std::move(answer.text)}};
    if (!answer.reasoning.empty()) message["reasoning_content"] = std::move(answer.reasoning);
    message["refusal"] = nullptr;
    message["annotations"] = OrderedJson::array();
    if (!answer.calls.empty()) {
      if (message["content"] == "") message["content"] = nullptr;
      message["tool_calls"] = std::move(answer.calls);
    }
    OrderedJson logprobs = nullptr;
    if (wants_logprobs_) logprobs = {{"content", std::move(answer.logprobs)}, {"refusal", nullptr}};
    list.push_back({{"index", i},
                    {"message", std::move(message)},
                    {"logprobs", std::move(logprobs)},
                    {"finish_reason", answer.reason}});
  }
  return list;
}

void read_logprobs(Fields& fields, ChatOptions& options, TextGeneratorOptions& generator) {
  options.logprobs = fields.boolean("logprobs").value_or(false);
  const auto top = fields.integer("top_logprobs", {0, kTopLogprobsMax});
  if (top && !options.logprobs) fields.refuse("top_logprobs", "is only allowed with 'logprobs'");
  if (options.logprobs) generator.generator.sampler.logprobs = static_cast<int>(top.value_or(0));
}

void read_length(Fields& fields, const ServedModel& model, TextGeneratorOptions& generator) {
  const IntegerRange range{1, model.context_tokens()};
  const auto newer = fields.integer("max_completion_tokens", range);
  const auto older = fields.integer("max_tokens", range);
  if (newer && older && *newer != *older) {
    fields.refuse("max_tokens", "differs from 'max_completion_tokens'; give one of the two");
  }
  if (newer || older) generator.generator.tokens_max = newer ? *newer : *older;
}

// What other servers and later models have.
void refuse_the_rest(Fields& fields) {
  if (const OrderedJson* modalities = fields.list("modalities", 8)) {
    for (const OrderedJson& each : *modalities) {
      if (each != "text") fields.refuse("modalities", "can only be [\"text\"]");
    }
  }
  fields.unsupported({"functions", "function_call", "audio", "prediction", "web_search_options",
                      "reasoning_effort", "verbosity"});
}

// Throws Refusal for whatever is wrong with the request.
ChatOptions read_chat(const Call& call, const OrderedJson& body, ServedModel& model) {
  Fields fields(body);
  fields.ignore({"model"});
  if (!model.has_chat()) throw Refusal(400, model.chat_problem(), "model", "no_chat_template");
  ChatPlan plan{.messages = read_messages(fields, model)};
  ChatOptions options;
  options.stream = read_stream(fields);
  plan.count = read_count(fields, call.parts.limits);
  plan.generator = read_sampling(fields, *model.tokenizer(), call.parts.limits);
  read_logprobs(fields, options, plan.generator);
  read_length(fields, model, plan.generator);
  plan.format = read_response_format(fields);
  plan.tools = read_tools(fields, model);
  if (plan.format && plan.tools.allowed()) {
    fields.refuse("response_format", "cannot be combined with tools; leave one of the two out");
  }
  refuse_the_rest(fields);
  ignore_labels(fields);
  refuse_to_store(fields);
  fields.finish();
  if (plan.tools.choice == CallChoice::kNamed) options.call_reason = "stop";
  options.prepared = prepare_chat(model, std::move(plan));
  return options;
}

void start_chat(const Call& call, const std::shared_ptr<ServedModel>& model, ChatOptions options) {
  auto reply = std::make_unique<ChatReply>(call, model, options);
  generate(call, model, std::move(options.prepared.texts), std::move(reply));
}

}  // namespace

void chat_completions(const Call& call) {
  const auto body = std::make_shared<const OrderedJson>(parse_request_json(call.request().body));
  const std::string id = Fields(*body).text("model").value_or("");
  with_model(call, id, [call, body](const std::shared_ptr<ServedModel>& model) {
    if (!body->contains("response_format") && !body->contains("tools")) {
      return start_chat(call, model, read_chat(call, *body, *model));
    }
    // What may have to be compiled is not for the threads of connections.
    go_on_later<ChatOptions>(
        call, [call, body, model] { return read_chat(call, *body, *model); },
        [call, model](ChatOptions options) { start_chat(call, model, std::move(options)); });
  });
}

}  // namespace minim::serve
