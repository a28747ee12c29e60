// A conversation from outside, as the variables of a chat template.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "api/model.h"
#include "base/json.h"
#include "minim/minim.h"

namespace minim::api {

OrderedJson messages_json(const minim_message* messages, size_t count);
// Throws kFormat for text that is no JSON, kInvalidArgument for JSON that is no list of messages.
OrderedJson parse_messages(std::string_view json);
// With what the model's template makes of tools and calls (text/tools/tool_prompt.h).
OrderedJson chat_variables(OpenModel& model, OrderedJson messages,
                           const minim_chat_options* options);
// Seconds since 1970 on this machine's clock on the wall.
int64_t local_time();

}  // namespace minim::api
