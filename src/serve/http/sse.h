// Server-sent events, as the HTML standard defines them.
#pragma once

#include <string>
#include <string_view>

namespace minim::serve {

// "data: TEXT" and a blank line; with a name, "event: NAME" before it. Each line of the text
// becomes a line of its own. REQUIRES: the name is one line.
std::string sse_event(std::string_view text, std::string_view name = {});

}  // namespace minim::serve
