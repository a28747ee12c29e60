// A request of the Responses API, read field by field.
#pragma once

#include <optional>
#include <string>

#include "base/json.h"
#include "serve/call.h"
#include "serve/engine/chat_plan.h"
#include "serve/engine/served_model.h"

namespace minim::serve {

struct ResponseRequest {
  std::string id;  // of the response
  bool stream = false;
  bool background = false;
  bool store = true;
  bool wants_logprobs = false;
  OrderedJson input;  // its items
  OrderedJson echo;   // the fields of the request that are fields of the response too
  PreparedChat prepared;
};

// Finds what `previous_response_id` names in the store of the call's holder. Throws Refusal for
// whatever is wrong with the request.
ResponseRequest read_response_request(const Call& call, const OrderedJson& body,
                                      ServedModel& model);

}  // namespace minim::serve
