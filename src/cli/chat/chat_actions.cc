// What the commands of a chat do.
#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "cli/chat/chat.h"
#include "cli/chat/chat_file.h"
#include "text/utf8.h"

namespace minim::cli {
namespace {

constexpr size_t kQuotedBytes = 60;

// The beginning of a message, on one line.
std::string quoted(const std::string& text) {
  std::string line = text.substr(0, text.find('\n'));
  if (line.size() > kQuotedBytes) {
    line.resize(complete_utf8_prefix(std::string_view(line).substr(0, kQuotedBytes)));
  }
  return fmt::format("\"{}{}\"", line, line.size() < text.size() ? "..." : "");
}

std::string exchanges(size_t turns) {
  const size_t count = (turns + 1) / 2;
  return fmt::format("{} exchange{}", count, count == 1 ? "" : "s");
}

}  // namespace

bool Chat::act(const ChatCommand& command) {
  switch (command.id) {
    case ChatCommandId::kSave: save(command.argument); break;
    case ChatCommandId::kLoad: load(command.argument); break;
    case ChatCommandId::kUndo: undo(); break;
    case ChatCommandId::kRegen:
      ++attempt_;
      answer_again();
      break;
    case ChatCommandId::kEdit: edit(command.argument); break;
    case ChatCommandId::kSystem: set_system(command.argument); break;
    case ChatCommandId::kSet: set_option(command.argument); break;
    case ChatCommandId::kStats:
      screen_.print(chat_statistics_text(session_, model_, conversation_));
      break;
    case ChatCommandId::kClear: clear(); break;
    case ChatCommandId::kExport: export_to(command.argument); break;
    case ChatCommandId::kHelp: show_help(); break;
    case ChatCommandId::kQuit: return false;
  }
  return true;
}

void Chat::save(const std::string& path) {
  save_chat(path, conversation_, options_.model_path, session_.save());
  screen_.remark(fmt::format("saved {} to '{}'", exchanges(conversation_.turns.size()), path));
}

void Chat::load(const std::string& path) {
  SavedChat chat = load_chat(path);
  // The session first: where it is refused, nothing has changed.
  if (chat.session.empty()) {
    session_.clear();
  } else {
    session_.load(chat.session);
  }
  conversation_ = std::move(chat.conversation);
  attempt_ = 0;
  screen_.remark(fmt::format("loaded {} from '{}'{}", exchanges(conversation_.turns.size()), path,
                             chat.session.empty() ? ", to be read again" : ""));
}

void Chat::undo() {
  if (conversation_.turns.empty()) {
    throw Error(ErrorCode::kInvalidArgument, "chat: there is nothing to undo");
  }
  if (!conversation_.waits_for_answer()) conversation_.turns.pop_back();
  const Turn message = std::move(conversation_.turns.back());
  conversation_.turns.pop_back();
  conversation_.forgotten = std::min(conversation_.forgotten, conversation_.turns.size());
  attempt_ = 0;
  screen_.remark("undone: " + quoted(message.text));
}

void Chat::edit(std::string text) {
  const auto last = std::find_if(conversation_.turns.rbegin(), conversation_.turns.rend(),
                                 [](const Turn& turn) { return turn.by_user; });
  if (last == conversation_.turns.rend()) {
    throw Error(ErrorCode::kInvalidArgument, "chat: there is no message to edit yet");
  }
  if (text.empty()) {
    if (!editor_) {
      throw Error(ErrorCode::kInvalidArgument,
                  "chat: where the input is no terminal, /edit needs the new text: /edit TEXT");
    }
    const auto edited = read_message(last->text);
    if (!edited || edited->find_first_not_of(" \t\n") == std::string::npos) {
      screen_.remark("not changed");
      return;
    }
    text = *edited;
  }
  Conversation before = conversation_;
  conversation_.turns.erase(std::prev(last.base()), conversation_.turns.end());
  conversation_.turns.push_back({true, replace_invalid_utf8(text), false});
  attempt_ = 0;
  answer(std::move(before));
}

void Chat::set_system(const std::string& text) {
  if (text.empty()) {
    screen_.print(conversation_.system.empty() ? "no system message" : conversation_.system);
    return;
  }
  conversation_.system = text == "-" ? "" : replace_invalid_utf8(text);
  screen_.remark(conversation_.system.empty() ? "no system message from now on"
                                              : "system message set, from the next answer on");
}

void Chat::set_option(const std::string& argument) {
  const NameAndValue option = split_name(argument);
  if (option.name.empty()) {
    screen_.print(sampling_.show_all());
  } else if (option.value.empty()) {
    screen_.print(sampling_.show(option.name));
  } else {
    sampling_.set(option.name, option.value);
  }
}

void Chat::export_to(const std::string& path) {
  if (std::filesystem::exists(path)) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("chat: '{}' exists; name another file", path));
  }
  FileWriter writer(path);
  writer.write(Path(path).extension() == ".json"
                   ? format_conversation(conversation_, options_.model_path)
                   : format_markdown(conversation_, options_.model_path));
  writer.commit();
  screen_.remark(fmt::format("wrote {} to '{}'", exchanges(conversation_.turns.size()), path));
}

void Chat::show_help() {
  std::string text;
  for (const ChatCommandRow& row : chat_commands()) {
    text += fmt::format("{:<22} {}\n", fmt::format("{} {}", row.name, row.argument), row.help);
  }
  text +=
      "\nA line that ends in \\ goes on with the next; \"\"\" begins and ends a message of any "
      "lines.\n"
      "A message that begins with / is written with //. Ctrl-C stops an answer.";
  screen_.print(text);
}

void Chat::clear() {
  session_.clear();
  conversation_.turns.clear();
  conversation_.forgotten = 0;
  attempt_ = 0;
  screen_.remark("cleared");
}

}  // namespace minim::cli
