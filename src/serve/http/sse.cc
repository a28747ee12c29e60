#include "serve/http/sse.h"

namespace minim::serve {

std::string sse_event(std::string_view text, std::string_view name) {
  std::string event;
  event.reserve(text.size() + name.size() + 24);
  if (!name.empty()) event.append("event: ").append(name).append("\n");
  for (size_t begin = 0;;) {
    const size_t end = text.find_first_of("\r\n", begin);
    event.append("data: ").append(text.substr(begin, end - begin)).append("\n");
    if (end == std::string_view::npos) break;
    begin = end + (text.substr(end, 2) == "\r\n" ? 2 : 1);
  }
  return event += "\n";
}

}  // namespace minim::serve
