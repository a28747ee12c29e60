// Fuzzes the JSON of requests: what is taken means what any reader of JSON finds in it, and what is
// refused names a field that can be shown.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "serve/request/refusal.h"
#include "serve/request/request_json.h"
#include "text/utf8.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const minim::OrderedJson value =
        minim::serve::parse_request_json(text, {.depth_max = 16, .keys_max = 32, .long_string = 3});
    MINIM_CHECK(value == minim::OrderedJson::parse(text));
  } catch (const minim::serve::Refusal& refusal) {
    MINIM_CHECK(refusal.status() == 400);
    MINIM_CHECK(refusal.param().size() < 2000);
    MINIM_CHECK(minim::is_valid_utf8(refusal.param()) && minim::is_valid_utf8(refusal.what()));
  }
  return 0;
}
