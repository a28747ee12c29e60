// The tools of a chat request, as OpenAI's API has them.
#pragma once

#include "serve/engine/chat_plan.h"
#include "serve/engine/served_model.h"
#include "serve/request/fields.h"

namespace minim::serve {

// Fields tools, tool_choice, parallel_tool_calls. Throws Refusal(400) with the path of what is
// wrong; and where the model's template has no tools that this server can read.
Tools read_tools(Fields& fields, const ServedModel& model);

}  // namespace minim::serve
