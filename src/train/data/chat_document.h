// Conversations as data sets store them, made into what a chat template takes.
#pragma once

#include <string>

#include "base/json.h"
#include "base/result.h"

namespace minim::train {

// `object` is one of
//   {"messages": [{"role": "user", "content": "..."}, ...], "tools": [...]}   OpenAI
//   {"conversations": [{"from": "human", "value": "..."}, ...], "system": "..."}   ShareGPT
//   {"prompt": "...", "completion" or "response": "..."}
//   {"instruction": "...", "input": "...", "output": "...", "system": "..."}   Alpaca
// and the result has "messages" and, where there are any, "tools". Roles are system, developer,
// user, assistant and tool. Contents are texts, or lists of parts that are all texts; an assistant
// may have tool_calls instead. The error says what is wrong with the object (kFormat).
Result<OrderedJson> parse_chat(const OrderedJson& object);

}  // namespace minim::train
