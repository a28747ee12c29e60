// strftime for strftime_now().
#pragma once

#include <cstdint>
#include <string>

#include "text/jinja/sandbox.h"

namespace minim::jinja {

// `time` is the moment to print as seconds since 1970, its zone's offset already added: the text
// is that of a clock without a zone, in English, as Python gives it in the C locale.
std::string format_time(Sandbox& box, std::string_view format, int64_t time);

}  // namespace minim::jinja
