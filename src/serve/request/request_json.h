// The JSON of a request: within bounds that hostile input cannot pass, and every complaint names
// the field where it is.
#pragma once

#include <cstddef>
#include <string_view>

#include "base/json.h"

namespace minim::serve {

struct RequestJsonLimits {
  size_t depth_max = 64;        // of nested lists and objects
  size_t keys_max = 4096;       // of one object
  size_t values_max = 1 << 20;  // in all
  size_t long_string = 1024;    // bytes; longer ones are not read byte by byte
};

// Throws Refusal(400), with the path of the field that was being read, for text that is no JSON,
// bytes that are no UTF-8, a key that stands twice, and what passes the limits.
OrderedJson parse_request_json(std::string_view text, const RequestJsonLimits& limits = {});

}  // namespace minim::serve
