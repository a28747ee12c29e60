// The tools of a chat request, as OpenAI's API has them.
#pragma once

#include "serve/engine/chat_plan.h"
#include "serve/engine/served_model.h"
#include "serve/request/fields.h"

namespace minim::serve {

// Where the name, the description and the parameters of a function stand.
enum class ToolStyle {
  kNested,  // in the object "function", as in chat completions
  kFlat,    // beside the type, as in the Responses API
};

// Fields tools, tool_choice, parallel_tool_calls. Throws Refusal(400) with the path of what is
// wrong; and where the model's template has no tools that this server can read.
Tools read_tools(Fields& fields, const ServedModel& model, ToolStyle style = ToolStyle::kNested);

}  // namespace minim::serve
