#include "train/data/chat_document.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include "base/error.h"

namespace minim::train {
namespace {

constexpr std::array<std::string_view, 5> kRoles = {"system", "developer", "user", "assistant",
                                                    "tool"};

struct Speaker {
  std::string_view name;
  std::string_view role;
};
// The names that ShareGPT files use.
constexpr std::array<Speaker, 14> kSpeakers = {{{"human", "user"},
                                                {"user", "user"},
                                                {"gpt", "assistant"},
                                                {"assistant", "assistant"},
                                                {"chatgpt", "assistant"},
                                                {"model", "assistant"},
                                                {"bot", "assistant"},
                                                {"bard", "assistant"},
                                                {"bing", "assistant"},
                                                {"system", "system"},
                                                {"tool", "tool"},
                                                {"observation", "tool"},
                                                {"function_response", "tool"},
                                                {"tool_response", "tool"}}};

Error bad(std::string what) { return Error(ErrorCode::kFormat, std::move(what)); }

const OrderedJson* find(const OrderedJson& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

// The text of a content: a string, or parts {"type": "text", "text": "..."}.
std::optional<std::string> text_of(const OrderedJson& content) {
  if (content.is_string()) return content.get<std::string>();
  if (!content.is_array()) return std::nullopt;
  std::string text;
  for (const OrderedJson& part : content) {
    if (!part.is_object()) return std::nullopt;
    const OrderedJson* type = find(part, "type");
    const OrderedJson* words = find(part, "text");
    if (type == nullptr || *type != "text" || words == nullptr || !words->is_string()) {
      return std::nullopt;
    }
    text += words->get<std::string>();
  }
  return text;
}

Result<OrderedJson> parse_message(const OrderedJson& stored) {
  if (!stored.is_object()) return bad("is no object");
  OrderedJson message = stored;
  const OrderedJson* role = find(stored, "role");
  if (role == nullptr || !role->is_string()) return bad("has no 'role'");
  const auto& name = role->get_ref<const std::string&>();
  if (std::find(kRoles.begin(), kRoles.end(), name) == kRoles.end()) {
    return bad(
        fmt::format("has the role '{}'; roles are system, developer, user, assistant and "
                    "tool",
                    name.substr(0, 40)));
  }
  const OrderedJson* content = find(stored, "content");
  const bool calls = name == "assistant" && find(stored, "tool_calls") != nullptr;
  if (content == nullptr) {
    if (!calls) return bad("has no 'content'");
    message["content"] = "";
    return message;
  }
  const auto text = text_of(*content);
  if (!text) return bad("has a 'content' that is no text");
  message["content"] = *text;
  return message;
}

Result<OrderedJson> parse_messages(const OrderedJson& stored) {
  if (!stored.is_array()) return bad("'messages' is no array");
  OrderedJson messages = OrderedJson::array();
  for (size_t i = 0; i < stored.size(); ++i) {
    Result<OrderedJson> message = parse_message(stored[i]);
    if (!message) return bad(fmt::format("message {} {}", i + 1, message.error().what()));
    messages.push_back(std::move(message).value());
  }
  return messages;
}

Result<OrderedJson> parse_turns(const OrderedJson& stored) {
  if (!stored.is_array()) return bad("'conversations' is no array");
  OrderedJson messages = OrderedJson::array();
  for (size_t i = 0; i < stored.size(); ++i) {
    const OrderedJson& turn = stored[i];
    const OrderedJson* from = turn.is_object() ? find(turn, "from") : nullptr;
    const OrderedJson* value = turn.is_object() ? find(turn, "value") : nullptr;
    if (from == nullptr || !from->is_string() || value == nullptr || !value->is_string()) {
      return bad(fmt::format("turn {} has no 'from' and 'value' that are texts", i + 1));
    }
    const auto& name = from->get_ref<const std::string&>();
    const auto speaker = std::find_if(kSpeakers.begin(), kSpeakers.end(),
                                      [&](const Speaker& known) { return known.name == name; });
    if (speaker == kSpeakers.end()) {
      return bad(
          fmt::format("turn {} is from '{}', who is not known; known are human, gpt, "
                      "system, tool and their like",
                      i + 1, name.substr(0, 40)));
    }
    messages.push_back({{"role", speaker->role}, {"content", *value}});
  }
  return messages;
}

// A question and its answer; where the latter is, the first key that there is says.
Result<OrderedJson> parse_pair(const OrderedJson& object, const char* question_key,
                               std::initializer_list<const char*> answer_keys) {
  const OrderedJson* question = find(object, question_key);
  const OrderedJson* answer = nullptr;
  for (const char* key : answer_keys) {
    if (answer == nullptr) answer = find(object, key);
  }
  if (!question->is_string() || answer == nullptr || !answer->is_string()) {
    return bad(fmt::format("'{}' and '{}' are not both texts", question_key, *answer_keys.begin()));
  }
  std::string text = question->get<std::string>();
  const OrderedJson* input = find(object, "input");
  if (std::string_view(question_key) == "instruction" && input != nullptr) {
    if (!input->is_string()) return bad("'input' is no text");
    if (!input->get_ref<const std::string&>().empty()) {
      text += "\n\n" + input->get<std::string>();
    }
  }
  OrderedJson messages = OrderedJson::array();
  messages.push_back({{"role", "user"}, {"content", text}});
  messages.push_back({{"role", "assistant"}, {"content", *answer}});
  return messages;
}

Result<OrderedJson> parse_any(const OrderedJson& object) {
  if (const OrderedJson* messages = find(object, "messages")) return parse_messages(*messages);
  if (const OrderedJson* turns = find(object, "conversations")) return parse_turns(*turns);
  if (find(object, "prompt") != nullptr) {
    return parse_pair(object, "prompt", {"completion", "response"});
  }
  if (find(object, "instruction") != nullptr) {
    return parse_pair(object, "instruction", {"output", "response"});
  }
  return bad("it has no 'messages', 'conversations', 'prompt' or 'instruction'");
}

}  // namespace

Result<OrderedJson> parse_chat(const OrderedJson& object) {
  if (!object.is_object()) return bad("it is no JSON object");
  Result<OrderedJson> parsed = parse_any(object);
  if (!parsed) return parsed.error();
  OrderedJson messages = std::move(parsed).value();
  const OrderedJson* system = find(object, "system");
  if (system != nullptr && system->is_string() && !system->get_ref<const std::string&>().empty() &&
      (messages.empty() || messages[0]["role"] != "system")) {
    messages.insert(messages.begin(), OrderedJson{{"role", "system"}, {"content", *system}});
  }
  const bool answers =
      std::any_of(messages.begin(), messages.end(),
                  [](const OrderedJson& message) { return message["role"] == "assistant"; });
  if (!answers) return bad("nobody answers in it");
  OrderedJson variables = {{"messages", messages}};
  const OrderedJson* tools = find(object, "tools");
  if (tools != nullptr && !tools->is_array()) return bad("'tools' is no array");
  if (tools != nullptr && !tools->empty()) variables["tools"] = *tools;
  return variables;
}

}  // namespace minim::train
