// Fuzzes the completion of JSON: after every piece of any text, what is completed can be parsed.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "base/json.h"
#include "text/partial_json.h"
#include "text/utf8.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 4096) return 0;  // every piece is parsed from the beginning
  const std::string text = minim::replace_invalid_utf8({reinterpret_cast<const char*>(data), size});
  minim::PartialJson json;
  for (size_t at = 0; at < text.size();) {
    const size_t length = minim::utf8_at(text, at).length;
    json.push(std::string_view(text).substr(at, length));
    at += length;
    const std::string completed = json.completed();
    MINIM_CHECK(completed.empty() || minim::Json::accept(completed));
  }
  return 0;
}
