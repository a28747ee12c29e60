// HTML escaping, for the filters `escape` and `safe`.
#pragma once

#include <string>
#include <string_view>

#include "text/jinja/sandbox.h"

namespace minim::jinja {

// & < > " ' become &amp; &lt; &gt; &#34; &#39;.
std::string escape_markup(Sandbox& box, std::string_view text);

// The value as markup: escaped, unless it is markup already.
Value to_markup(Sandbox& box, const Value& value);

}  // namespace minim::jinja
