// The commands of a chat, /help and so on: their table, and what is read and completed by it.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace minim::cli {

enum class ChatCommandId {
  kSave,
  kLoad,
  kUndo,
  kRegen,
  kEdit,
  kSystem,
  kSet,
  kStats,
  kClear,
  kExport,
  kHelp,
  kQuit,
};

enum class ChatArgument {
  kNone,
  kText,          // may be left out
  kFile,          // must be given
  kNameAndValue,  // of a sampling option; may be left out, both or the value
};

struct ChatCommandRow {
  ChatCommandId id;
  std::string_view name;      // "/save"
  std::string_view argument;  // for people: "FILE"
  std::string_view help;
  ChatArgument kind;
};
std::span<const ChatCommandRow> chat_commands();

struct ChatCommand {
  ChatCommandId id = ChatCommandId::kHelp;
  std::string argument;  // without white space around it
};

// What a line asks for; nothing where it is a message: one that begins with no /, with // (of which
// one goes), or with a path such as /usr/bin. Throws kInvalidArgument for an unknown command and
// for one with too little or too much after it.
std::optional<ChatCommand> parse_chat_command(std::string_view line);

// The message of a line that is no command.
std::string chat_message(std::string_view line);

struct Completion {
  size_t begin = 0;                     // of the word to be replaced, in bytes
  std::vector<std::string> candidates;  // whole words
};
// What may stand at the end of `line`, which the cursor follows. `options`: names of /set.
Completion complete_chat_line(std::string_view line, std::span<const std::string> options);

// "key value" cut at the first white space; the value is empty where there is none.
struct NameAndValue {
  std::string name;
  std::string value;
};
NameAndValue split_name(std::string_view text);

}  // namespace minim::cli
