#include "text/jinja/markup.h"

#include <algorithm>

#include "text/jinja/print.h"

namespace minim::jinja {

std::string escape_markup(Sandbox& box, std::string_view text) {
  TextBuilder out(box);
  while (!text.empty()) {
    const size_t plain = std::min(text.find_first_of("&<>\"'"), text.size());
    if (plain > 0) out.append(text.substr(0, plain));
    if (plain == text.size()) break;
    switch (text[plain]) {
      case '&': out.append("&amp;"); break;
      case '<': out.append("&lt;"); break;
      case '>': out.append("&gt;"); break;
      case '"': out.append("&#34;"); break;
      default: out.append("&#39;");
    }
    text.remove_prefix(plain + 1);
  }
  return out.take();
}

Value to_markup(Sandbox& box, const Value& value) {
  if (value.is_string() && value.string().safe) return value;
  return box.string(escape_markup(box, to_text(box, value)), true);
}

}  // namespace minim::jinja
