#include <fmt/core.h>

#include <ctime>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "serve/engine/extension.h"
#include "serve/engine/prompt_check.h"
#include "serve/ollama/handlers.h"
#include "serve/ollama/options.h"
#include "serve/request/json_text.h"
#include "serve/request/request_json.h"

namespace minim::serve {
namespace {

constexpr size_t kMessagesMax = 4096;
constexpr size_t kCallsMax = 256;
constexpr size_t kToolsMax = 128;

struct OllamaOptions {
  bool is_chat = false;
  bool stream = true;
  PreparedChat prepared;
};

// One object, or one for each piece and a last one.
class OllamaReply : public GenerationReply {
 public:
  OllamaReply(const Call& call, std::shared_ptr<ServedModel> model, const OllamaOptions& options)
      : call_(call),
        model_(std::move(model)),
        is_chat_(options.is_chat),
        stream_(options.stream),
        parts_(options.prepared.parts) {}

  void token(size_t, const GenerationEvent& event) override { add(parts_.push(event.text)); }
  void done(size_t, const GenerationEvent& event, const GenerationStatistics& statistics) override {
    add(parts_.push(event.text));
    add(parts_.finish());
    const bool cut =
        event.reason == StopReason::kTokensMax || event.reason == StopReason::kContextFull;
    reason_ = cut ? "length" : "stop";
    statistics_ = statistics;
  }
  void finish() override;
  void fail(const Refusal& refusal) override;

 private:
  void add(std::vector<AnswerPart> parts);
  OrderedJson object(bool is_last);
  void send(const OrderedJson& object);

  const Call call_;
  const std::shared_ptr<ServedModel> model_;
  const bool is_chat_;
  const bool stream_;
  AnswerParts parts_;
  // Not sent yet.
  std::string text_;
  std::string thinking_;
  OrderedJson calls_ = OrderedJson::array();
  const char* reason_ = "stop";
  GenerationStatistics statistics_;
};

OrderedJson OllamaReply::object(bool is_last) {
  OrderedJson object = {{"model", model_->id()}, {"created_at", rfc3339(std::time(nullptr))}};
  if (is_chat_) {
    OrderedJson message = {{"role", "assistant"}, {"content", std::exchange(text_, {})}};
    if (!thinking_.empty()) message["thinking"] = std::exchange(thinking_, {});
    if (!calls_.empty()) message["tool_calls"] = std::exchange(calls_, OrderedJson::array());
    object["message"] = std::move(message);
  } else {
    object["response"] = std::exchange(text_, {});
    if (!thinking_.empty()) object["thinking"] = std::exchange(thinking_, {});
  }
  object["done"] = is_last;
  if (!is_last) return object;
  const auto nanoseconds = [](double seconds) { return static_cast<int64_t>(seconds * 1e9); };
  const GenerationStatistics& s = statistics_;
  object["done_reason"] = reason_;
  object["total_duration"] = nanoseconds(s.queue_seconds + s.prompt_seconds + s.decode_seconds);
  object["load_duration"] = 0;
  object["prompt_eval_count"] = s.prompt_tokens;
  object["prompt_eval_duration"] = nanoseconds(s.prompt_seconds);
  object["eval_count"] = s.generated_tokens;
  object["eval_duration"] = nanoseconds(s.decode_seconds);
  object["minim"] = extension_json(s, s.energy);
  return object;
}

void OllamaReply::send(const OrderedJson& object) {
  std::string line = json_text(object) + "\n";
  if (call_.exchange->started()) return call_.exchange->write(std::move(line));
  call_.exchange->begin({.content_type = "application/x-ndjson", .body = std::move(line)});
}

void OllamaReply::add(std::vector<AnswerPart> parts) {
  for (const AnswerPart& part : parts) {
    if (part.kind == AnswerPart::Kind::kText) text_ += part.text;
    if (part.kind == AnswerPart::Kind::kReasoning) thinking_ += part.text;
    if (part.kind != AnswerPart::Kind::kToolCall) continue;
    calls_.push_back({{"function",
                       {{"name", part.piece.call.name},
                        {"arguments", parse_request_json(part.piece.call.arguments)}}}});
  }
  if (stream_ && !(text_.empty() && thinking_.empty() && calls_.empty())) send(object(false));
}

void OllamaReply::finish() {
  if (!stream_) return call_.exchange->respond({.body = json_text(object(true))});
  send(object(true));
  call_.exchange->finish();
}

void OllamaReply::fail(const Refusal& refusal) {
  if (!call_.exchange->started()) {
    return call_.exchange->respond(refusal_response(call_.dialect, refusal));
  }
  call_.exchange->write(refusal_body(call_.dialect, refusal) + "\n");
  call_.exchange->finish();
}

// ---- requests ----------------------------------------------------------------------------------

OrderedJson read_call(const OrderedJson& value, const std::string& path) {
  Fields call(value, path);
  call.required("function");
  Fields function = *call.object("function");
  const std::string name = function.required_text("name");
  function.required("arguments");
  const Fields arguments = *function.object("arguments");  // an object
  function.ignore({"index"});
  function.finish();
  call.ignore({"id", "type"});
  call.finish();
  return {{"type", "function"},
          {"function", {{"name", name}, {"arguments", value["function"]["arguments"]}}}};
}

OrderedJson read_message(const OrderedJson& value, const std::string& path,
                         const ServedModel& model) {
  Fields fields(value, path);
  fields.required("role");
  constexpr const char* kRoles[] = {"system", "user", "assistant", "tool"};
  OrderedJson message = {
      {"role", kRoles[*fields.choice("role", {"system", "user", "assistant", "tool"})]}};
  std::string content = fields.text("content").value_or("");
  check_text_size(model, content.size(), fields.path_of("content"));
  message["content"] = std::move(content);
  if (const OrderedJson* images = fields.list("images", kCallsMax);
      images != nullptr && !images->empty()) {
    fields.refuse("images", "is not supported here", "unsupported_parameter");
  }
  if (const OrderedJson* calls = fields.list("tool_calls", kCallsMax)) {
    for (size_t i = 0; i < calls->size(); ++i) {
      message["tool_calls"].push_back(
          read_call((*calls)[i], fmt::format("{}.tool_calls[{}]", path, i)));
    }
  }
  if (auto thinking = fields.text("thinking")) message["reasoning_content"] = *thinking;
  if (auto name = fields.text("tool_name")) message["name"] = *name;
  fields.finish();
  return message;
}

void read_tools(Fields& fields, const ServedModel& model, Tools& tools) {
  const OrderedJson* given = fields.list("tools", kToolsMax);
  for (size_t i = 0; given != nullptr && i < given->size(); ++i) {
    Fields tool((*given)[i], fmt::format("tools[{}]", i));
    tool.choice("type", {"function"});
    tool.required("function");
    Fields function = *tool.object("function");
    const std::string name = function.required_text("name");
    if (!is_tool_name(name) || tools.has(name)) {
      function.refuse("name",
                      "must have 1 to 64 letters, digits, '_', '-' and '.', and be no other's");
    }
    function.text("description");
    function.object("parameters");
    function.ignore({"strict", "type"});
    function.finish();
    tool.finish();
    tools.list.push_back({{"type", "function"}, {"function", (*given)[i]["function"]}});
  }
  if (tools.list.empty()) return;
  tools.choice = CallChoice::kAuto;
  if (!model.has_tool_calls()) {
    fields.refuse(
        "tools",
        "cannot be used: neither the model's chat template nor its family tells how it would "
        "write a call",
        "unsupported_parameter");
  }
}

void read_think(Fields& fields) {
  // Whether a model thinks is its template's to say.
  if (fields.boolean("think").value_or(false)) {
    fields.refuse("think", "is not supported: the model's template decides",
                  "unsupported_parameter");
  }
}

OllamaOptions read_chat(const Call& call, const OrderedJson& body, ServedModel& model) {
  Fields fields(body);
  ollama_model_id(fields);
  if (!model.has_chat()) throw Refusal(400, model.chat_problem(), "model", "no_chat_template");
  OllamaOptions options{.is_chat = true};
  ChatPlan plan{.messages = OrderedJson::array()};
  const OrderedJson& given = fields.required_list("messages", kMessagesMax);
  if (given.empty()) fields.refuse("messages", "is empty; give at least one message");
  for (size_t i = 0; i < given.size(); ++i) {
    plan.messages.push_back(read_message(given[i], fmt::format("messages[{}]", i), model));
  }
  plan.generator = read_ollama_options(fields, model, call.parts.limits);
  plan.format = read_ollama_format(fields);
  read_tools(fields, model, plan.tools);
  read_think(fields);
  options.stream = fields.boolean("stream").value_or(true);
  ignore_keep_alive(fields);
  if (plan.format && plan.tools.allowed()) {
    fields.refuse("format", "cannot be combined with tools; leave one of the two out");
  }
  fields.finish();
  options.prepared = prepare_chat(model, std::move(plan));
  // A call is one object here.
  options.prepared.parts.pieces = ToolCallPieces::kWhole;
  return options;
}

// The prompt as a message where the model converses, else as it is.
OllamaOptions read_generate(const Call& call, const OrderedJson& body, ServedModel& model) {
  Fields fields(body);
  ollama_model_id(fields);
  OllamaOptions options;
  const std::string prompt = fields.required_text("prompt");
  check_text_size(model, prompt.size(), "prompt");
  const std::string system = fields.text("system").value_or("");
  check_text_size(model, system.size(), "system");
  ChatPlan plan{.messages = OrderedJson::array()};
  plan.generator = read_ollama_options(fields, model, call.parts.limits);
  plan.format = read_ollama_format(fields);
  bool raw = fields.boolean("raw").value_or(false) || !model.has_chat();
  read_think(fields);
  options.stream = fields.boolean("stream").value_or(true);
  const std::string suffix = fields.text("suffix").value_or("");
  if (fields.text("template").value_or("") != "") fields.unsupported({"template"});
  if (const OrderedJson* images = fields.list("images", kCallsMax);
      images != nullptr && !images->empty()) {
    fields.unsupported({"images"});
  }
  fields.unsupported({"context"});
  ignore_keep_alive(fields);
  fields.finish();
  if (!suffix.empty()) raw = true;  // a gap in a text is none in a conversation
  if (!raw) {
    if (!system.empty()) plan.messages.push_back({{"role", "system"}, {"content", system}});
    plan.messages.push_back({{"role", "user"}, {"content", prompt}});
    options.prepared = prepare_chat(model, std::move(plan));
    return options;
  }
  if (!system.empty())
    fields.refuse("system", "is only for models that converse, and texts without a gap");
  options.prepared = prepare_text(model, prompt, suffix, plan.format, std::move(plan.generator));
  return options;
}

using Reader = OllamaOptions (*)(const Call&, const OrderedJson&, ServedModel&);

void start(const Call& call, Reader read) {
  const auto body = std::make_shared<const OrderedJson>(parse_request_json(call.request().body));
  Fields fields(*body);
  with_model(call, ollama_model_id(fields), [=](const std::shared_ptr<ServedModel>& model) {
    const auto go_on = [call, model](OllamaOptions options) {
      auto reply = std::make_unique<OllamaReply>(call, model, options);
      generate(call, model, std::move(options.prepared.texts), std::move(reply));
    };
    if (!body->contains("format") && !body->contains("tools"))
      return go_on(read(call, *body, *model));
    go_on_later<OllamaOptions>(
        call, [=] { return read(call, *body, *model); }, go_on);
  });
}

}  // namespace

void ollama_chat(const Call& call) { start(call, read_chat); }
void ollama_generate(const Call& call) { start(call, read_generate); }

}  // namespace minim::serve
