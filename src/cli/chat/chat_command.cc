#include "cli/chat/chat_command.h"

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "cli/nearest_name.h"

namespace minim::cli {
namespace {

constexpr std::string_view kSpace = " \t\n";

std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) + 1 - begin);
}

bool is_command(std::string_view line) {
  if (line.size() < 2 || line[0] != '/') return false;
  const std::string_view word =
      line.substr(1, std::min(line.size(), line.find_first_of(kSpace)) - 1);
  return word.find('/') == std::string_view::npos && !word.empty();
}

[[noreturn]] void refuse(const std::string& what) {
  throw Error(ErrorCode::kInvalidArgument, "chat: " + what);
}

[[noreturn]] void refuse_unknown(std::string_view word) {
  std::vector<std::string_view> names;
  for (const ChatCommandRow& row : chat_commands()) names.push_back(row.name);
  const auto nearest = nearest_name(word, names);
  refuse(fmt::format("there is no command '{}'{}; /help lists them", word,
                     nearest ? fmt::format("; did you mean '{}'?", *nearest) : ""));
}

// The words of `names` that begin with `prefix`.
template <typename Names>
std::vector<std::string> beginning_with(std::string_view prefix, const Names& names) {
  std::vector<std::string> found;
  for (const auto& name : names) {
    if (std::string_view(name).starts_with(prefix)) found.emplace_back(name);
  }
  std::sort(found.begin(), found.end());
  return found;
}

// Folders end in a slash, so that one can go on.
std::vector<std::string> files_beginning_with(std::string_view prefix) {
  const size_t slash = prefix.rfind('/');
  const std::string folder(slash == std::string_view::npos ? "" : prefix.substr(0, slash + 1));
  const std::string_view begin = prefix.substr(folder.size());
  std::vector<std::string> names;
  std::error_code error;
  for (std::filesystem::directory_iterator at(folder.empty() ? "." : folder, error), end;
       !error && at != end; at.increment(error)) {
    const std::string name = at->path().filename().string();
    // Hidden files only where that is asked for.
    if (begin.empty() && name.starts_with(".")) continue;
    std::error_code unreadable;
    names.push_back(folder + name + (at->is_directory(unreadable) ? "/" : ""));
  }
  return beginning_with(prefix, names);
}

}  // namespace

std::span<const ChatCommandRow> chat_commands() {
  using enum ChatCommandId;
  static constexpr ChatCommandRow kRows[] = {
      {kSave, "/save", "FILE", "Save the conversation and what the model holds of it",
       ChatArgument::kFile},
      {kLoad, "/load", "FILE", "Go on with a saved conversation", ChatArgument::kFile},
      {kUndo, "/undo", "", "Take back the last message and its answer", ChatArgument::kNone},
      {kRegen, "/regen", "", "Answer the last message again, with another seed",
       ChatArgument::kNone},
      {kEdit, "/edit", "[TEXT]", "Change the last message and answer that", ChatArgument::kText},
      {kSystem, "/system", "[TEXT]", "Set the system message; - for none, nothing shows it",
       ChatArgument::kText},
      {kSet, "/set", "[NAME [VALUE]]", "Set a sampling option, or show it; no NAME shows all",
       ChatArgument::kNameAndValue},
      {kStats, "/stats", "", "Tokens, rates, context and memory", ChatArgument::kNone},
      {kClear, "/clear", "", "Begin anew; the system message stays", ChatArgument::kNone},
      {kExport, "/export", "FILE", "Write the conversation: JSON for .json, else Markdown",
       ChatArgument::kFile},
      {kHelp, "/help", "", "Show this", ChatArgument::kNone},
      {kQuit, "/quit", "", "Leave, as Ctrl-D does", ChatArgument::kNone},
  };
  return kRows;
}

std::optional<ChatCommand> parse_chat_command(std::string_view line) {
  if (!is_command(line)) return std::nullopt;
  const size_t end = std::min(line.size(), line.find_first_of(kSpace));
  const std::string_view word = line.substr(0, end);
  const std::string_view argument = trimmed(line.substr(end));
  const auto rows = chat_commands();
  const auto row =
      std::find_if(rows.begin(), rows.end(), [&](const auto& r) { return r.name == word; });
  if (row == rows.end()) refuse_unknown(word);
  if (row->kind == ChatArgument::kNone && !argument.empty()) {
    refuse(fmt::format("{} takes nothing after it, not '{}'", word, argument));
  }
  if (row->kind == ChatArgument::kFile && argument.empty()) {
    refuse(fmt::format("{} needs the name of a file: {} {}", word, word, row->argument));
  }
  return ChatCommand{row->id, std::string(argument)};
}

std::string chat_message(std::string_view line) {
  return std::string(line.starts_with("//") ? line.substr(1) : line);
}

Completion complete_chat_line(std::string_view line, std::span<const std::string> options) {
  if (!line.starts_with("/")) return {};
  const size_t name_end = line.find_first_of(kSpace);
  const auto rows = chat_commands();
  if (name_end == std::string_view::npos) {
    std::vector<std::string_view> names;
    for (const ChatCommandRow& row : rows) names.push_back(row.name);
    return {0, beginning_with(line, names)};
  }
  const auto row = std::find_if(rows.begin(), rows.end(),
                                [&](const auto& r) { return r.name == line.substr(0, name_end); });
  if (row == rows.end()) return {};
  const size_t begin = std::min(line.size(), line.find_first_not_of(kSpace, name_end));
  const std::string_view word = line.substr(begin);
  if (row->kind == ChatArgument::kFile) return {begin, files_beginning_with(word)};
  if (row->kind == ChatArgument::kNameAndValue) return {begin, beginning_with(word, options)};
  return {};
}

NameAndValue split_name(std::string_view text) {
  const size_t end = std::min(text.size(), text.find_first_of(kSpace));
  return {std::string(text.substr(0, end)), std::string(trimmed(text.substr(end)))};
}

}  // namespace minim::cli
