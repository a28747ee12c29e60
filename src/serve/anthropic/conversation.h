// The conversation of a request to Anthropic's API: system, messages and tools as a chat template
// gets them.
#pragma once

#include "serve/engine/chat_plan.h"
#include "serve/request/fields.h"

namespace minim::serve {

// Fields system, messages, tools and tool_choice. An assistant's message at the end becomes the
// beginning of the answer. Throws Refusal(400) with the path of what is wrong.
void read_conversation(Fields& fields, const ServedModel& model, ChatPlan& plan);

}  // namespace minim::serve
