#include "api/event_stream.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace minim::api {
namespace {

minim_done_reason done_reason(StopReason reason) {
  switch (reason) {
    case StopReason::kRunning: break;
    case StopReason::kEndOfText: return MINIM_DONE_END_OF_TEXT;
    case StopReason::kTokensMax: return MINIM_DONE_TOKENS_MAX;
    case StopReason::kContextFull: return MINIM_DONE_CONTEXT_FULL;
    case StopReason::kStopToken: return MINIM_DONE_STOP_TOKEN;
    case StopReason::kStopString: return MINIM_DONE_STOP_STRING;
    case StopReason::kCancelled: return MINIM_DONE_CANCELLED;
  }
  return MINIM_DONE_ERROR;
}

}  // namespace

minim_status error_status(const GenerationEvent& event) {
  return event.out_of_memory ? MINIM_OUT_OF_MEMORY : static_cast<minim_status>(event.error_code);
}

minim_event OutgoingEvent::view() const {
  minim_event event = MINIM_EVENT_INIT;
  event.type = type;
  event.text = text.c_str();
  event.text_size = text.size();
  event.token = token;
  event.logprob = logprob;
  event.top = top.empty() ? nullptr : top.data();
  event.top_count = top.size();
  event.done = done;
  event.total = total;
  event.reason = reason;
  event.status = status;
  event.detail = detail.c_str();
  event.complete = complete ? 1 : 0;
  event.call_index = call_index;
  event.call_name = call.name.c_str();
  event.call_arguments = call.arguments.c_str();
  return event;
}

EventStream::EventStream(EventOptions options) : calls_(std::move(options.calls)) {
  if (options.partial_json) json_.emplace();
}

std::optional<OutgoingEvent> EventStream::pop() {
  if (events_.empty()) return {};
  OutgoingEvent event = std::move(events_.front());
  events_.pop_front();
  return event;
}

void EventStream::push_fallback(const std::string& sentence) {
  events_.push_back({.type = MINIM_EVENT_BACKEND_FALLBACK, .detail = sentence});
}

void EventStream::push_thermal(const std::string& sentence) {
  events_.push_back({.type = MINIM_EVENT_THERMAL, .detail = sentence});
}

void EventStream::push(GenerationEvent from) {
  switch (from.kind) {
    case GenerationEvent::Kind::kToken: return push_token(std::move(from));
    case GenerationEvent::Kind::kDone:
    case GenerationEvent::Kind::kError: return push_done(std::move(from));
    case GenerationEvent::Kind::kPrompt:
      events_.push_back(
          {.type = MINIM_EVENT_PROGRESS, .done = from.prompt_done, .total = from.prompt_total});
      return;
    case GenerationEvent::Kind::kShift:
      events_.push_back({.type = MINIM_EVENT_CONTEXT_OVERFLOW,
                         .done = from.shift.kept,
                         .total = from.shift.dropped});
      return;
    case GenerationEvent::Kind::kWaiting: return;  // minim_model_statistics tells who waits
  }
}

EventStream::Text EventStream::take_text(std::string said, bool is_last) {
  Text result;
  ToolCallParser::Output output = {.text = std::move(said), .calls = {}};
  if (calls_) {
    output = calls_->push(output.text);
    if (is_last) {
      ToolCallParser::Output rest = calls_->finish();
      output.text += rest.text;
      std::move(rest.calls.begin(), rest.calls.end(), std::back_inserter(output.calls));
    }
  }
  for (ParsedToolCall& parsed : output.calls) {
    const std::string name = OrderedJson(parsed.call.name).dump();
    result.events.push_back(
        {.type = MINIM_EVENT_TOOL_CALL,
         .detail = "{\"name\":" + name + ",\"arguments\":" + parsed.call.arguments + "}",
         .call_index = parsed.index,
         .call = std::move(parsed.call)});
  }
  if (json_ && json_->push(output.text)) {
    result.events.push_back({.type = MINIM_EVENT_PARTIAL_JSON, .detail = json_->completed()});
  }
  result.text = std::move(output.text);
  return result;
}

void EventStream::push_token(GenerationEvent from) {
  OutgoingEvent event = {.type = MINIM_EVENT_TOKEN, .token = from.token, .logprob = from.logprob};
  for (const TokenLogprob& top : from.top_logprobs) event.top.push_back({top.token, top.logprob});
  Text text = take_text(std::move(from.text), false);
  event.text = std::move(text.text);
  events_.push_back(std::move(event));
  std::move(text.events.begin(), text.events.end(), std::back_inserter(events_));
}

void EventStream::push_done(GenerationEvent from) {
  OutgoingEvent event = {.type = MINIM_EVENT_DONE};
  if (from.kind == GenerationEvent::Kind::kError) {
    event.reason = MINIM_DONE_ERROR;
    event.status = error_status(from);
    event.detail = std::move(from.message);
  } else {
    event.reason = done_reason(from.reason);
    event.complete = from.complete;
    event.detail = std::move(from.stop_string);
  }
  Text text = take_text(std::move(from.text), true);
  event.text = std::move(text.text);
  std::move(text.events.begin(), text.events.end(), std::back_inserter(events_));
  events_.push_back(std::move(event));
}

}  // namespace minim::api
