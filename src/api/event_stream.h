// From what a scheduler tells about a generation to the events of the ABI.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "minim/minim.h"
#include "runtime/generation_event.h"
#include "text/partial_json.h"
#include "text/tools/tool_call_parser.h"

namespace minim::api {

// One event and what it points to.
struct OutgoingEvent {
  minim_event_type type = MINIM_EVENT_NONE;
  std::string text;
  int32_t token = -1;
  float logprob = 0;
  std::vector<minim_token_logprob> top;
  int64_t done = 0;
  int64_t total = 0;
  int32_t reason = 0;
  int32_t status = MINIM_OK;
  std::string detail;
  bool complete = false;
  int32_t call_index = 0;
  ToolCall call;

  minim_event view() const;
};

struct EventOptions {
  bool partial_json = false;
  std::optional<ToolCallParser> calls;  // whose calls are events
};

// The status of a kError event.
minim_status error_status(const GenerationEvent& event);

// One for each generation.
class EventStream {
 public:
  explicit EventStream(EventOptions options);

  void push(GenerationEvent event);
  void push_fallback(const std::string& sentence);
  void push_thermal(const std::string& sentence);
  std::optional<OutgoingEvent> pop();

 private:
  // What a piece of the text leaves as text, and the events that it brings.
  struct Text {
    std::string text;
    std::vector<OutgoingEvent> events;
  };
  Text take_text(std::string said, bool is_last);
  void push_token(GenerationEvent event);
  void push_done(GenerationEvent event);

  std::deque<OutgoingEvent> events_;
  std::optional<PartialJson> json_;
  std::optional<ToolCallParser> calls_;
};

}  // namespace minim::api
