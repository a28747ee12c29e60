#include "serve/http/multipart.h"

#include <algorithm>
#include <utility>

#include "serve/http/message.h"
#include "serve/request/refusal.h"

namespace minim::serve {
namespace {

constexpr size_t kPartsMax = 64;
constexpr size_t kHeadMax = 4096;
constexpr size_t kBoundaryMax = 70;

[[noreturn]] void refuse(const char* message) { throw Refusal(400, message, {}, "invalid_form"); }

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// Takes the next `;name=value` from the front; values may be quoted.
std::optional<std::pair<std::string, std::string>> next_parameter(std::string_view& text) {
  const size_t begin = text.find(';');
  if (begin == std::string_view::npos) return std::nullopt;
  text.remove_prefix(begin + 1);
  const size_t equals = text.find('=');
  if (equals == std::string_view::npos) return std::nullopt;
  std::string name(trim(text.substr(0, equals)));
  text = trim(text.substr(equals + 1));
  std::string value;
  if (text.empty() || text.front() != '"') {
    const size_t end = std::min(text.find(';'), text.size());
    value = trim(text.substr(0, end));
    text.remove_prefix(end);
    return std::pair(std::move(name), std::move(value));
  }
  size_t at = 1;
  for (; at < text.size() && text[at] != '"'; ++at) {
    if (text[at] == '\\' && at + 1 < text.size() && (text[at + 1] == '"' || text[at + 1] == '\\')) {
      ++at;
    }
    value += text[at];
  }
  if (at >= text.size()) return std::nullopt;
  text.remove_prefix(at + 1);
  return std::pair(std::move(name), std::move(value));
}

std::optional<std::string> parameter(std::string_view text, std::string_view wanted) {
  while (auto found = next_parameter(text)) {
    if (equal_ignoring_case(found->first, wanted)) return std::move(found->second);
  }
  return std::nullopt;
}

std::string boundary_of(std::string_view content_type) {
  const std::string_view type =
      trim(content_type.substr(0, std::min(content_type.find(';'), content_type.size())));
  if (!equal_ignoring_case(type, "multipart/form-data")) {
    refuse("the request must be a form: its content type multipart/form-data, with a boundary");
  }
  const auto boundary = parameter(content_type, "boundary");
  if (!boundary || boundary->empty() || boundary->size() > kBoundaryMax) {
    refuse("the content type of the form has no boundary of 1 to 70 characters");
  }
  return "\r\n--" + *boundary;
}

// Of the header of a part: its name, and that of its file.
FormPart read_head(std::string_view head) {
  FormPart part;
  bool named = false;
  while (!head.empty()) {
    const size_t end = std::min(head.find("\r\n"), head.size());
    const std::string_view line = head.substr(0, end);
    head.remove_prefix(std::min(end + 2, head.size()));
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) refuse("a part of the form has a header without a colon");
    if (!equal_ignoring_case(trim(line.substr(0, colon)), "content-disposition")) continue;
    const std::string_view value = line.substr(colon + 1);
    auto name = parameter(value, "name");
    if (!name) break;
    part.name = *std::move(name);
    part.file_name = parameter(value, "filename");
    named = true;
  }
  if (!named) refuse("a part of the form has no name in its Content-Disposition");
  return part;
}

}  // namespace

std::vector<FormPart> parse_form(std::string_view content_type, std::string_view body) {
  const std::string delimiter = boundary_of(content_type);
  std::vector<FormPart> parts;
  // The first one may stand at the very beginning.
  size_t at = 0;
  if (!body.starts_with(std::string_view(delimiter).substr(2))) {
    at = body.find(delimiter);
    if (at == std::string_view::npos) refuse("the boundary of the form is nowhere in its body");
    at += 2;
  }
  at += delimiter.size() - 2;
  for (;;) {
    const std::string_view rest = body.substr(at);
    if (rest.starts_with("--")) return parts;
    if (!rest.starts_with("\r\n")) refuse("a boundary of the form is not followed by a line break");
    if (parts.size() == kPartsMax) refuse("the form has more than 64 parts");
    const size_t head = at + 2;
    const size_t head_end = body.substr(at, kHeadMax).find("\r\n\r\n");
    if (head_end == std::string_view::npos) refuse("the header of a part of the form never ends");
    const size_t content = at + head_end + 4;
    FormPart part = read_head(body.substr(head, content - 4 > head ? content - 4 - head : 0));
    const size_t end = body.find(delimiter, content - 2);
    if (end == std::string_view::npos) refuse("the form breaks off within a part");
    part.content = body.substr(content, end > content ? end - content : 0);
    parts.push_back(std::move(part));
    at = end + delimiter.size();
  }
}

}  // namespace minim::serve
