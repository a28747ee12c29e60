// Texts for commands that take many: from the command line, or one a line from a file.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"

namespace minim::cli {

struct ListedText {
  std::string text;
  OrderedJson id;  // null: none
};

// `given`, else the lines of `file`, else those of standard input ("-"). Blank lines are skipped. A
// file whose first line begins with { or " is JSON lines: strings, or objects with a "text" and
// maybe an "id". Throws kInvalidArgument where there is no text or both are given, kFormat, kIo;
// messages begin with `command`.
std::vector<ListedText> read_text_list(const std::string& command,
                                       const std::vector<std::string>& given,
                                       const std::string& file);

// The lines of such a file. `origin` names it in messages.
std::vector<ListedText> parse_text_list(const std::string& lines, const std::string& origin);

}  // namespace minim::cli
