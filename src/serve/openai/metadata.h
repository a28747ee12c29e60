// What clients note on what they ask for.
#pragma once

#include "base/json.h"
#include "serve/request/fields.h"

namespace minim::serve {

// The field metadata: at most 16 strings of at most 512 bytes, by names of at most 64. Empty where
// it is absent. Throws Refusal(400) with the path of what is wrong.
OrderedJson read_metadata(Fields& fields);

}  // namespace minim::serve
