// A part of a list, as OpenAI's API cuts lists: parameters limit, order, after and before.
#pragma once

#include "base/json.h"
#include "serve/call.h"

namespace minim::serve {

struct ListPageOptions {
  bool newest_first = true;  // the order where none is asked for
  int64_t limit = 20;        // likewise
  int64_t limit_max = 100;
};

// {"object": "list", "data", "first_id", "last_id", "has_more"} of objects that have an "id",
// oldest first. Throws Refusal(400) for parameters that make no sense, and for others.
OrderedJson list_page(const HttpRequest& request, const OrderedJson& oldest_first,
                      const ListPageOptions& options = {});

}  // namespace minim::serve
