// A conversation as text: what was said, who said it, and its JSON and Markdown.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace minim::cli {

struct Turn {
  bool by_user = true;
  std::string text;
  bool cut = false;  // an answer that somebody stopped, or that found no more room
};

// Turns of the user and of the model take each other off, beginning with the user's.
struct Conversation {
  std::string system;  // empty: none
  std::vector<Turn> turns;
  size_t forgotten = 0;  // first turns that the model no longer sees; even

  bool waits_for_answer() const { return !turns.empty() && turns.back().by_user; }
};

// [{"role": ..., "content": ...}, ...] of what the model sees.
OrderedJson message_list(const Conversation& conversation);

// The whole of it. `model` is a name, for people.
std::string format_conversation(const Conversation& conversation, std::string_view model);
// Throws kFormat, or kUnsupported for a later version. `origin` names the source in messages.
Conversation parse_conversation(std::string_view json, std::string_view origin);

std::string format_markdown(const Conversation& conversation, std::string_view model);

}  // namespace minim::cli
