#include "cli/chat/conversation.h"

#include <fmt/core.h>

#include <optional>

#include "base/error.h"

namespace minim::cli {
namespace {

constexpr const char* kFormatName = "minim chat";
constexpr int64_t kVersion = 1;

[[noreturn]] void refuse(std::string_view origin, const std::string& what) {
  throw Error(ErrorCode::kFormat, fmt::format("{}: {}", origin, what));
}

std::string required_text(const Json& object, const char* key, std::string_view origin) {
  auto text = json_get<std::string>(object, key, origin);
  if (!text) refuse(origin, fmt::format("a message has no '{}'", key));
  return *std::move(text);
}

void add_message(const Json& message, std::string_view origin, Conversation& conversation) {
  if (!message.is_object()) refuse(origin, "a message is no JSON object");
  const std::string role = required_text(message, "role", origin);
  std::string content = required_text(message, "content", origin);
  const bool first = conversation.turns.empty() && conversation.system.empty();
  if (role == "system" && first) {
    conversation.system = std::move(content);
    return;
  }
  const bool by_user = !conversation.waits_for_answer();
  if (role != (by_user ? "user" : "assistant")) {
    refuse(origin,
           fmt::format("message {} is by '{}', but the turn is the {}'s",
                       conversation.turns.size() + 1, role, by_user ? "user" : "assistant"));
  }
  const bool cut = json_get<bool>(message, "cut", origin).value_or(false);
  conversation.turns.push_back({by_user, std::move(content), cut && !by_user});
}

OrderedJson message_json(const Turn& turn) {
  return {{"role", turn.by_user ? "user" : "assistant"}, {"content", turn.text}};
}

}  // namespace

OrderedJson message_list(const Conversation& conversation) {
  OrderedJson list = OrderedJson::array();
  if (!conversation.system.empty()) {
    list.push_back({{"role", "system"}, {"content", conversation.system}});
  }
  for (size_t i = conversation.forgotten; i < conversation.turns.size(); ++i) {
    list.push_back(message_json(conversation.turns[i]));
  }
  return list;
}

std::string format_conversation(const Conversation& conversation, std::string_view model) {
  Conversation all = conversation;
  all.forgotten = 0;
  OrderedJson messages = message_list(all);
  const size_t first = messages.size() - all.turns.size();
  for (size_t i = 0; i < all.turns.size(); ++i) {
    if (all.turns[i].cut) messages[first + i]["cut"] = true;
  }
  OrderedJson document = {{"format", kFormatName}, {"version", kVersion}, {"model", model}};
  if (conversation.forgotten > 0) document["forgotten"] = conversation.forgotten;
  document["messages"] = std::move(messages);
  return document.dump(2, ' ', false, OrderedJson::error_handler_t::replace) + "\n";
}

Conversation parse_conversation(std::string_view json, std::string_view origin) {
  const Json document = parse_json(json, origin);
  if (!document.is_object() ||
      json_get<std::string>(document, "format", origin).value_or("") != kFormatName) {
    refuse(origin, "this is no conversation of minim chat");
  }
  if (json_get<int64_t>(document, "version", origin).value_or(0) != kVersion) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("{}: a conversation of another version than {}; a newer minim may "
                            "read it",
                            origin, kVersion));
  }
  const auto messages = document.find("messages");
  if (messages == document.end() || !messages->is_array()) refuse(origin, "it has no 'messages'");
  Conversation conversation;
  for (const Json& message : *messages) add_message(message, origin, conversation);
  const int64_t forgotten = json_get<int64_t>(document, "forgotten", origin).value_or(0);
  if (forgotten < 0 || forgotten % 2 != 0 ||
      static_cast<uint64_t>(forgotten) > conversation.turns.size()) {
    refuse(origin, fmt::format("'forgotten' is {}, which is no number of turns at the beginning",
                               forgotten));
  }
  conversation.forgotten = static_cast<size_t>(forgotten);
  return conversation;
}

std::string format_markdown(const Conversation& conversation, std::string_view model) {
  std::string page = fmt::format("# Conversation with {}\n", model);
  if (!conversation.system.empty()) page += fmt::format("\n## System\n\n{}\n", conversation.system);
  for (const Turn& turn : conversation.turns) {
    page += fmt::format("\n## {}\n\n{}\n", turn.by_user ? "User" : "Assistant", turn.text);
    if (turn.cut) page += "\n*(cut)*\n";
  }
  return page;
}

}  // namespace minim::cli
