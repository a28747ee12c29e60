// A conversation with tools, for whatever template the model has.
#pragma once

#include <cstdint>
#include <optional>

#include "base/json.h"
#include "text/chat_prompt.h"
#include "text/tools/tool_notation.h"

namespace minim {

// Whether the model's template writes the tools that it is given.
bool knows_tools(const ChatPrompt& chat, int64_t now);

// The variables of a chat template (messages, tools, ...), as it can take them: arguments of calls
// are JSON objects even where they came as text, and ids as Mistral's templates want them. Where
// the template knows no tools, they are described in the system message or, where that is not
// written, in the first of the user; calls and their results then are text too. Without tools and
// calls nothing is changed. Throws what parse_tools() throws, kFormat for calls that are none, and
// kUnsupported where neither the template nor `notation` tells how a call is written.
OrderedJson prepare_tools(const ChatPrompt& chat, OrderedJson variables,
                          std::optional<ToolNotation> notation, int64_t now);

}  // namespace minim
