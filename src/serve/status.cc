#include "serve/status.h"

#include "serve/metrics.h"
#include "serve/request/json_text.h"

namespace minim::serve {

void health(const Call& call) {
  const OrderedJson body = {{"status", "ok"},
                            {"texts", call.parts.admission.texts()},
                            {"texts_max", call.parts.admission.texts_max()}};
  call.exchange->respond({.body = json_text(body)});
}

void show_metrics(const Call& call) {
  call.exchange->respond({.content_type = "text/plain; version=0.0.4; charset=utf-8",
                          .body = call.parts.metrics.text(call.parts)});
}

}  // namespace minim::serve
