// The messages of a chat request, checked field by field, as a chat template gets them.
#pragma once

#include "base/json.h"
#include "serve/engine/served_model.h"
#include "serve/request/fields.h"

namespace minim::serve {

// A list of {"role", "content", ...}: contents as one text, the role developer as system. Throws
// Refusal(400) with the path of what is wrong: what is no text, unknown fields, no message at all.
OrderedJson read_messages(Fields& fields, const ServedModel& model);

}  // namespace minim::serve
