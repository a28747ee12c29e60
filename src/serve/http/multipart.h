// Forms with files: multipart/form-data (RFC 7578).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace minim::serve {

struct FormPart {
  std::string name;
  std::optional<std::string> file_name;  // of a file
  std::string_view content;              // within the body
};

// What is wrong with it is the message of a Refusal(400), which is thrown for a content type that
// is another, bodies that break the form, more than 64 parts, and headers of more than 4096 bytes.
// The parts do not outlive the body.
std::vector<FormPart> parse_form(std::string_view content_type, std::string_view body);

}  // namespace minim::serve
