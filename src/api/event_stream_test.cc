#include "api/event_stream.h"

#include <gtest/gtest.h>

namespace minim::api {
namespace {

GenerationEvent token(std::string text) {
  GenerationEvent event;
  event.kind = GenerationEvent::Kind::kToken;
  event.token = 7;
  event.text = std::move(text);
  return event;
}

GenerationEvent done(std::string text) {
  GenerationEvent event;
  event.kind = GenerationEvent::Kind::kDone;
  event.reason = StopReason::kEndOfText;
  event.text = std::move(text);
  return event;
}

std::vector<OutgoingEvent> all(EventStream& stream) {
  std::vector<OutgoingEvent> events;
  while (auto event = stream.pop()) events.push_back(*std::move(event));
  return events;
}

TEST(EventStream, CallsLeaveTheText) {
  EventStream stream({.calls = ToolCallParser(ToolNotation::kHermes)});
  stream.push(token("I look. <tool_"));
  stream.push(token("call>{\"name\": \"f\", \"arguments\""));
  stream.push(token(": {}}</tool_call> Then <"));
  stream.push(done("tool"));
  const std::vector<OutgoingEvent> events = all(stream);
  ASSERT_EQ(events.size(), 5u);
  EXPECT_EQ(events[0].text, "I look. ");
  EXPECT_EQ(events[1].text, "");
  EXPECT_EQ(events[2].text, " Then ");
  EXPECT_EQ(events[3].type, MINIM_EVENT_TOOL_CALL);
  EXPECT_EQ(events[3].detail, "{\"name\":\"f\",\"arguments\":{}}");
  EXPECT_EQ(events[3].text, "");
  EXPECT_EQ(events[3].call_index, 0);
  EXPECT_STREQ(events[3].view().call_name, "f");
  EXPECT_STREQ(events[3].view().call_arguments, "{}");
  EXPECT_EQ(events[4].type, MINIM_EVENT_DONE);
  EXPECT_EQ(events[4].text, "<tool");
  EXPECT_EQ(events[4].reason, MINIM_DONE_END_OF_TEXT);
}

TEST(EventStream, JsonIsCompletedWhereATokenAddsToIt) {
  EventStream stream({.partial_json = true});
  stream.push(token("Here: "));
  stream.push(token("{\"a\": \"x"));
  stream.push(token("y\", \"b"));
  stream.push(token("\""));
  stream.push(done(": 1}"));
  const std::vector<OutgoingEvent> events = all(stream);
  std::vector<std::string> completed;
  for (const OutgoingEvent& event : events) {
    if (event.type == MINIM_EVENT_PARTIAL_JSON) completed.push_back(event.detail);
  }
  EXPECT_EQ(completed, (std::vector<std::string>{"{\"a\": \"x\"}", "{\"a\": \"xy\"}",
                                                 "{\"a\": \"xy\", \"b\": 1}"}));
  EXPECT_EQ(events.back().type, MINIM_EVENT_DONE);
}

TEST(EventStream, ErrorsAndNoticesBecomeEvents) {
  EventStream stream({});
  stream.push_fallback("slow");
  GenerationEvent shift;
  shift.kind = GenerationEvent::Kind::kShift;
  shift.shift = {32, 64};
  stream.push(shift);
  GenerationEvent error;
  error.kind = GenerationEvent::Kind::kError;
  error.error_code = ErrorCode::kLimit;
  error.message = "too much";
  stream.push(error);
  error.out_of_memory = true;
  stream.push(error);
  const std::vector<OutgoingEvent> events = all(stream);
  ASSERT_EQ(events.size(), 4u);
  EXPECT_EQ(events[0].detail, "slow");
  EXPECT_EQ(events[1].done, 32);
  EXPECT_EQ(events[1].total, 64);
  EXPECT_EQ(events[2].status, MINIM_LIMIT);
  EXPECT_EQ(events[2].reason, MINIM_DONE_ERROR);
  EXPECT_EQ(events[2].detail, "too much");
  EXPECT_EQ(events[3].status, MINIM_OUT_OF_MEMORY);
}

}  // namespace
}  // namespace minim::api
