// What is served, as an OpenAPI document.
#pragma once

#include "base/json.h"
#include "serve/call.h"

namespace minim::serve {

// Of all routes, with the schemas of what they read and answer.
OrderedJson openapi_document();

void show_openapi(const Call& call);  // GET /openapi.json

}  // namespace minim::serve
