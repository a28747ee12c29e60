#include "serve/openai/chat_messages.h"

#include <fmt/core.h>

#include <string>
#include <utility>

#include "serve/engine/prompt_check.h"
#include "serve/request/request_json.h"

namespace minim::serve {
namespace {

constexpr size_t kMessagesMax = 4096;
constexpr size_t kPartsMax = 4096;
constexpr size_t kCallsMax = 256;

std::string read_part(const OrderedJson& value, const std::string& path) {
  Fields part(value, path);
  const std::string type = part.required_text("type");
  if (type != "text" && type != "refusal") {
    refuse_value(part.path_of("type"),
                 fmt::format("is '{}', which this server does not take; it takes 'text'",
                             type.substr(0, 40)),
                 "unsupported_value");
  }
  std::string text = part.required_text(type);
  part.ignore({"annotations"});
  part.finish();
  return text;
}

// A string, or a list of parts; nothing where it is absent.
std::optional<std::string> read_content(Fields& message, const ServedModel& model) {
  const OrderedJson* content = message.value("content");
  if (content == nullptr) return std::nullopt;
  const std::string path = message.path_of("content");
  std::string text;
  if (content->is_array()) {
    const OrderedJson& parts = *message.list("content", kPartsMax);
    for (size_t i = 0; i < parts.size(); ++i) {
      text += read_part(parts[i], fmt::format("{}[{}]", path, i));
    }
  } else if (content->is_string()) {
    text = content->get<std::string>();
  } else {
    refuse_value(path,
                 fmt::format("must be a string or a list of parts, but is {}", kind_of(*content)),
                 "invalid_type");
  }
  check_text_size(model, text.size(), path);
  return text;
}

// Templates want the arguments of a call as an object, requests have them as a text.
OrderedJson read_call(const OrderedJson& value, const std::string& path) {
  Fields call(value, path);
  const std::string id = call.required_text("id");
  call.required("type");
  call.choice("type", {"function"});
  call.required("function");
  Fields function = *call.object("function");
  const std::string name = function.required_text("name");
  const std::string text = function.required_text("arguments");
  OrderedJson arguments = OrderedJson::object();
  try {
    if (!text.empty()) arguments = parse_request_json(text);
  } catch (const Refusal& refusal) {
    function.refuse("arguments", fmt::format("is no JSON: {}", refusal.what()));
  }
  if (!arguments.is_object()) function.refuse("arguments", "must hold a JSON object");
  function.finish();
  call.ignore({"index"});
  call.finish();
  return {{"id", id},
          {"type", "function"},
          {"function", {{"name", name}, {"arguments", std::move(arguments)}}}};
}

OrderedJson read_message(const OrderedJson& value, const std::string& path,
                         const ServedModel& model) {
  Fields fields(value, path);
  fields.required("role");
  const size_t role = *fields.choice("role", {"system", "developer", "user", "assistant", "tool"});
  constexpr const char* kRoles[] = {"system", "system", "user", "assistant", "tool"};
  OrderedJson message = {{"role", kRoles[role]}};
  auto content = read_content(fields, model);
  fields.unsupported({"function_call", "audio"});
  if (auto name = fields.text("name")) message["name"] = *name;
  const bool is_assistant = role == 3;
  if (is_assistant) {
    if (const OrderedJson* calls = fields.list("tool_calls", kCallsMax)) {
      OrderedJson list = OrderedJson::array();
      for (size_t i = 0; i < calls->size(); ++i) {
        list.push_back(
            read_call((*calls)[i], fmt::format("{}[{}]", fields.path_of("tool_calls"), i)));
      }
      if (!list.empty()) message["tool_calls"] = std::move(list);
    }
    if (auto refusal = fields.text("refusal"); refusal && !content) content = refusal;
    if (auto reasoning = fields.text("reasoning_content"))
      message["reasoning_content"] = *reasoning;
    fields.ignore({"annotations"});  // that answers of the original have
  }
  if (role == 4) message["tool_call_id"] = fields.required_text("tool_call_id");
  if (!content && !message.contains("tool_calls")) {
    fields.refuse("content", "is missing", "missing_required_parameter");
  }
  message["content"] = content.value_or("");
  fields.finish();
  return message;
}

}  // namespace

OrderedJson read_messages(Fields& fields, const ServedModel& model) {
  const OrderedJson& given = fields.required_list("messages", kMessagesMax);
  if (given.empty()) fields.refuse("messages", "is empty; give at least one message");
  OrderedJson messages = OrderedJson::array();
  for (size_t i = 0; i < given.size(); ++i) {
    messages.push_back(
        read_message(given[i], fmt::format("{}[{}]", fields.path_of("messages"), i), model));
  }
  return messages;
}

}  // namespace minim::serve
