// What a server says about itself.
#pragma once

#include "serve/call.h"

namespace minim::serve {

void health(const Call& call);        // GET /health
void show_metrics(const Call& call);  // GET /metrics

}  // namespace minim::serve
