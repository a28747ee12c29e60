#include "text/tools/tool_prompt.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/xxhash64.h"
#include "text/tools/tool_list.h"

namespace minim {
namespace {

constexpr std::string_view kListBegin = "<tools>\n";

[[noreturn]] void refuse(size_t message, const std::string& what) {
  throw Error(ErrorCode::kFormat, fmt::format("tools: message {}: {}", message, what));
}

bool is_role(const OrderedJson& message, std::string_view role) {
  return message.is_object() && message.contains("role") && message["role"] == role;
}

bool has_calls(const OrderedJson& message) {
  return message.is_object() && message.contains("tool_calls") &&
         message["tool_calls"].is_array() && !message["tool_calls"].empty();
}

std::string content_of(const OrderedJson& message) {
  if (!message.contains("content") || message["content"].is_null()) return {};
  return message["content"].is_string() ? message["content"].get<std::string>()
                                        : message["content"].dump();
}

// Mistral's templates want nine letters and digits.
std::string short_id(const std::string& id) {
  constexpr std::string_view kDigits =
      "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  const bool fits = id.size() == 9 && std::all_of(id.begin(), id.end(), [&](char c) {
                      return kDigits.find(c) != std::string_view::npos;
                    });
  if (fits) return id;
  XxHash64 digest;
  digest.update(id);
  uint64_t bits = digest.digest();
  std::string result;
  for (int i = 0; i < 9; ++i, bits /= kDigits.size()) result += kDigits[bits % kDigits.size()];
  return result;
}

void prepare_call(OrderedJson& call, size_t message) {
  if (!call.is_object()) refuse(message, "a tool call must be a JSON object");
  if (!call.contains("function") && call.contains("name")) call = {{"function", call}};
  if (!call.contains("function") || !call["function"].is_object()) {
    refuse(message, "a tool call has no 'function'");
  }
  if (!call.contains("type")) call["type"] = "function";
  OrderedJson& function = call["function"];
  if (!function.contains("name") || !function["name"].is_string()) {
    refuse(message, "a tool call has no 'name'");
  }
  if (!function.contains("arguments")) function["arguments"] = OrderedJson::object();
  OrderedJson& arguments = function["arguments"];
  if (arguments.is_string()) {
    const auto text = arguments.get<std::string>();
    arguments = text.empty()
                    ? OrderedJson::object()
                    : parse_ordered_json(text, fmt::format("arguments of message {}", message));
  }
  if (!arguments.is_object()) refuse(message, "the arguments of a call must be a JSON object");
}

void prepare_messages(OrderedJson& messages, std::optional<ToolNotation> notation) {
  const bool short_ids =
      notation == ToolNotation::kMistral || notation == ToolNotation::kMistralArgs;
  const auto shorten = [&](OrderedJson& object, const char* key) {
    if (short_ids && object.contains(key) && object[key].is_string()) {
      object[key] = short_id(object[key].get<std::string>());
    }
  };
  for (size_t i = 0; i < messages.size(); ++i) {
    OrderedJson& message = messages[i];
    if (is_role(message, "tool")) shorten(message, "tool_call_id");
    if (!has_calls(message)) continue;
    for (OrderedJson& call : message["tool_calls"]) {
      prepare_call(call, i);
      shorten(call, "id");
    }
  }
}

std::string describe_tools(const OrderedJson& tools, ToolNotation notation) {
  std::string list;
  for (const OrderedJson& tool : tools) list += spaced_json(tool) + "\n";
  const ToolCall form = {"NAME", R"({"PARAMETER": "VALUE"})"};
  return fmt::format(
      "There are functions that you can call:\n{}{}</tools>\n\nWhere one of them helps, answer "
      "with "
      "nothing but a call, in this form:\n{}\nOtherwise answer in words.",
      kListBegin, list, write_tool_calls(notation, {&form, 1}));
}

// Calls and their results as text.
OrderedJson write_out(const OrderedJson& messages, ToolNotation notation) {
  OrderedJson result = OrderedJson::array();
  bool after_result = false;
  const auto say = [&](const char* role, const std::string& content) {
    // What several tools said is one turn, and so is what the user says then.
    if (after_result && std::string_view(role) == "user") {
      result.back()["content"] = result.back()["content"].get<std::string>() + "\n" + content;
    } else {
      result.push_back({{"role", role}, {"content", content}});
    }
  };
  for (const OrderedJson& message : messages) {
    if (has_calls(message)) {
      std::vector<ToolCall> calls;
      for (const OrderedJson& call : message["tool_calls"]) {
        calls.push_back({call["function"]["name"], call["function"]["arguments"].dump()});
      }
      const std::string words = content_of(message);
      say("assistant", words + (words.empty() ? "" : "\n") + write_tool_calls(notation, calls));
      after_result = false;
    } else if (is_role(message, "tool")) {
      say("user", fmt::format("<tool_response>\n{}\n</tool_response>", content_of(message)));
      after_result = true;
    } else if (after_result && is_role(message, "user")) {
      say("user", content_of(message));
      after_result = false;
    } else {
      result.push_back(message);
      after_result = false;
    }
  }
  return result;
}

// In front of the first message of the user.
OrderedJson in_user_message(const OrderedJson& messages, const std::string& description) {
  OrderedJson result = OrderedJson::array();
  std::string before = description;
  for (const OrderedJson& message : messages) {
    if (is_role(message, "system") && !before.empty()) {
      before = content_of(message) + "\n\n" + before;
      continue;
    }
    result.push_back(message);
    if (!is_role(message, "user") || before.empty()) continue;
    result.back()["content"] = std::exchange(before, {}) + "\n\n" + content_of(message);
  }
  if (!before.empty()) {
    throw Error(ErrorCode::kInvalidArgument,
                "tools: the model's template has no place for them: begin with a message of the "
                "user");
  }
  return result;
}

OrderedJson in_system_message(const OrderedJson& messages, const std::string& description) {
  OrderedJson result = messages;
  if (!result.empty() && is_role(result[0], "system")) {
    result[0]["content"] = content_of(result[0]) + "\n\n" + description;
  } else {
    result.insert(result.begin(), {{"role", "system"}, {"content", description}});
  }
  return result;
}

bool is_written(const ChatPrompt& chat, const OrderedJson& variables, int64_t now) {
  try {
    return chat.render(variables, now).find(kListBegin) != std::string::npos;
  } catch (const Error&) {
    return false;  // some templates refuse system messages
  }
}

}  // namespace

bool knows_tools(const ChatPrompt& chat, int64_t now) {
  OrderedJson probe = {{"messages", OrderedJson::array({{{"role", "user"}, {"content", "a"}}})},
                       {"add_generation_prompt", true}};
  const OrderedJson tools =
      parse_tools(R"([{"name": "probe", "description": "b", "parameters": {"type": "object",
                       "properties": {"c": {"type": "string", "description": "d"}}}}])")
          .json();
  OrderedJson with_tools = probe;
  with_tools["tools"] = tools;
  std::string written;
  try {
    written = chat.render(with_tools, now);
  } catch (const Error&) {
    return false;
  }
  return written.find("probe") != std::string::npos;
}

OrderedJson prepare_tools(const ChatPrompt& chat, OrderedJson variables,
                          std::optional<ToolNotation> notation, int64_t now) {
  OrderedJson& messages = variables["messages"];
  const bool has_tools = variables.contains("tools") && !variables["tools"].is_null();
  const bool has_history = std::any_of(messages.begin(), messages.end(), [](const auto& message) {
    return has_calls(message) || is_role(message, "tool");
  });
  if (!has_tools && !has_history) return variables;
  prepare_messages(messages, notation);
  if (has_tools) variables["tools"] = read_tools(variables["tools"]).json();
  if (knows_tools(chat, now)) return variables;
  if (!notation) {
    throw Error(ErrorCode::kUnsupported,
                "tools: the model's chat template knows none, and nothing tells how its family "
                "writes calls; name a notation");
  }
  messages = write_out(messages, *notation);
  if (!has_tools) return variables;
  const std::string description = describe_tools(variables["tools"], *notation);
  variables.erase("tools");
  const OrderedJson plain = variables["messages"];
  variables["messages"] = in_system_message(plain, description);
  if (!is_written(chat, variables, now)) {
    variables["messages"] = in_user_message(plain, description);
  }
  return variables;
}

}  // namespace minim
