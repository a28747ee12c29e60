#include "cli/text_list.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>

#include "base/error.h"
#include "cli/engine.h"

namespace minim::cli {
namespace {

bool is_blank(std::string_view line) {
  return line.find_first_not_of(" \t\r") == std::string_view::npos;
}

ListedText parse_json_line(std::string_view line, const std::string& where) {
  OrderedJson value = parse_ordered_json(line, where);
  if (value.is_string()) return {value.get<std::string>(), nullptr};
  const auto text = value.is_object() ? value.find("text") : value.end();
  if (!value.is_object() || text == value.end() || !text->is_string()) {
    throw Error(ErrorCode::kFormat,
                fmt::format("{}: this line is no string, and no object with a \"text\"", where));
  }
  return {text->get<std::string>(), value.value("id", OrderedJson())};
}

}  // namespace

std::vector<ListedText> parse_text_list(const std::string& lines, const std::string& origin) {
  std::vector<ListedText> texts;
  const bool json = lines.starts_with('{') || lines.starts_with('"');
  size_t number = 0;
  for (size_t at = 0; at < lines.size();) {
    const size_t end = std::min(lines.size(), lines.find('\n', at));
    std::string_view line = std::string_view(lines).substr(at, end - at);
    if (line.ends_with('\r')) line.remove_suffix(1);
    at = end + 1;
    ++number;
    if (is_blank(line)) continue;
    if (json) {
      texts.push_back(parse_json_line(line, fmt::format("{}, line {}", origin, number)));
    } else {
      texts.push_back({std::string(line), nullptr});
    }
  }
  return texts;
}

std::vector<ListedText> read_text_list(const std::string& command,
                                       const std::vector<std::string>& given,
                                       const std::string& file) {
  std::vector<ListedText> texts;
  if (!given.empty() && !file.empty()) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("{}: give texts or a --file, not both", command));
  }
  if (!given.empty()) {
    for (const std::string& text : given) texts.push_back({text, nullptr});
  } else if (!file.empty() || ::isatty(STDIN_FILENO) == 0) {
    const std::string source = file.empty() ? "-" : file;
    texts = parse_text_list(read_text(source), source == "-" ? "standard input" : source);
  }
  if (texts.empty()) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("{}: there is no text; give some, or a --file of lines", command));
  }
  return texts;
}

}  // namespace minim::cli
