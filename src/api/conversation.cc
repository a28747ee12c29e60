#include "api/conversation.h"

#include <fmt/core.h>

#include <ctime>
#include <utility>

#include "api/arguments.h"
#include "text/tools/tool_prompt.h"

namespace minim::api {
namespace {

const minim_chat_options kDefaults = MINIM_CHAT_OPTIONS_INIT;

}  // namespace

OrderedJson messages_json(const minim_message* messages, size_t count) {
  OrderedJson list = OrderedJson::array();
  for (const minim_message& message : list_argument(messages, count, "messages")) {
    list.push_back({{"role", text_argument(message.role, "role")},
                    {"content", text_argument(message.content, "content")}});
  }
  return list;
}

OrderedJson parse_messages(std::string_view json) {
  OrderedJson messages = parse_ordered_json(json, "messages");
  if (!messages.is_array()) refuse("the messages are no JSON array");
  for (size_t i = 0; i < messages.size(); ++i) {
    if (messages[i].is_object()) continue;
    refuse(
        fmt::format("message {} is no JSON object; give {{\"role\": ..., \"content\": ...}}", i));
  }
  return messages;
}

OrderedJson chat_variables(OpenModel& model, OrderedJson messages,
                           const minim_chat_options* given) {
  const auto options = read_struct(given, kDefaults, "options");
  OrderedJson variables = OrderedJson::object();
  if (options.variables != nullptr) {
    variables = parse_ordered_json(options.variables, "variables");
    if (!variables.is_object()) refuse("'variables' is no JSON object");
  }
  if (options.tools != nullptr) {
    OrderedJson tools = parse_ordered_json(options.tools, "tools");
    if (!tools.is_array()) refuse("'tools' is no JSON array");
    variables["tools"] = std::move(tools);
  }
  variables["messages"] = std::move(messages);
  variables["add_generation_prompt"] = options.no_answer == 0;
  const auto notation = options.tool_notation == nullptr
                            ? model.tool_notation()
                            : std::optional(parse_tool_notation(options.tool_notation));
  return prepare_tools(model.chat(), std::move(variables), notation, local_time());
}

int64_t local_time() {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  return ::localtime_r(&now, &local) == nullptr ? now : now + local.tm_gmtoff;
}

}  // namespace minim::api
