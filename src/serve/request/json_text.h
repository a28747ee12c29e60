// JSON as it is sent: on one line, and valid UTF-8 whatever is in it.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"

namespace minim::serve {

inline std::string json_text(const OrderedJson& value) {
  return value.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}
// A string with its quotes.
inline std::string json_string(std::string_view text) { return json_text(OrderedJson(text)); }

}  // namespace minim::serve
