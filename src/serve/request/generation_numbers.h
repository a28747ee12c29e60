// What requests of every dialect say about how a text is drawn and where it ends.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/sampler.h"
#include "serve/request/fields.h"

namespace minim::serve {

// A draw from the model's own distribution, with a seed that nobody chose; penalties, once they are
// set, count what was generated.
SamplerOptions plain_sampling();

// The field top_p, 0 to 1.
void set_top_p(Fields& fields, SamplerOptions& sampler);

// A string, or a list of at most so many. Throws Refusal(400) for what is empty or longer than 4096
// bytes.
std::vector<std::string> read_stop_strings(Fields& fields, std::string_view name,
                                           int64_t count_max);

}  // namespace minim::serve
