#include "runtime/text_events.h"

namespace minim {

const char* stop_reason_name(StopReason reason) {
  switch (reason) {
    case StopReason::kRunning: return "running";
    case StopReason::kEndOfText: return "end of text";
    case StopReason::kTokensMax: return "length";
    case StopReason::kContextFull: return "context full";
    case StopReason::kStopToken: return "stop token";
    case StopReason::kStopString: return "stop string";
    case StopReason::kCancelled: return "cancelled";
  }
  return "unknown";
}

GenerationEvent TextEvents::token(TokenId token, const Sampler& sampler) {
  GenerationEvent event;
  event.token = token;
  event.text = output_.push(token);
  event.logprob = sampler.chosen_logprob().logprob;
  const auto top = sampler.top_logprobs();
  event.top_logprobs.assign(top.begin(), top.end());
  return event;
}

GenerationEvent TextEvents::done(StopReason reason, bool complete) {
  GenerationEvent event;
  event.kind = GenerationEvent::Kind::kDone;
  if (!output_.stopped()) event.text = output_.finish();
  // The end of an unfinished character is U+FFFD, which may end a stop string too.
  if (const auto stop = output_.stopped()) {
    reason = StopReason::kStopString;
    event.stop_string = *stop;
    complete = false;
  }
  event.reason = reason;
  event.complete = complete;
  return event;
}

}  // namespace minim
