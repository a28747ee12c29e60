#include "train/data/chat_document.h"

#include <gtest/gtest.h>

namespace minim::train {
namespace {

std::string parse(const char* text) {
  const Result<OrderedJson> chat = parse_chat(OrderedJson::parse(text));
  return chat ? chat.value().dump() : "error: " + std::string(chat.error().what());
}

TEST(ChatDocument, OpenAiMessages) {
  EXPECT_EQ(parse(R"({"messages": [{"role": "user", "content": "a"},
                                   {"role": "assistant", "content": "b"}], "id": 3})"),
            R"({"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]})");
  EXPECT_EQ(parse(R"({"messages": [{"role": "user", "content": [{"type": "text", "text": "a"},
                                                                {"type": "text", "text": "b"}]},
                                   {"role": "assistant", "content": null, "tool_calls": []}],
                      "tools": [{}]})"),
            R"({"messages":[{"role":"user","content":"ab"},)"
            R"({"role":"assistant","content":"","tool_calls":[]}],"tools":[{}]})");
}

TEST(ChatDocument, OtherShapesBecomeMessages) {
  const std::string pair =
      R"({"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]})";
  EXPECT_EQ(parse(R"({"conversations": [{"from": "human", "value": "a"},
                                        {"from": "gpt", "value": "b"}]})"),
            pair);
  EXPECT_EQ(parse(R"({"prompt": "a", "completion": "b"})"), pair);
  EXPECT_EQ(parse(R"({"prompt": "a", "response": "b"})"), pair);
  EXPECT_EQ(parse(R"({"instruction": "a", "input": "", "output": "b"})"), pair);
  EXPECT_EQ(parse(R"({"instruction": "a", "input": "c", "output": "b", "system": "s"})"),
            R"({"messages":[{"role":"system","content":"s"},{"role":"user","content":"a\n\nc"},)"
            R"({"role":"assistant","content":"b"}]})");
}

TEST(ChatDocument, WhatIsNoConversationIsRefused) {
  const auto refuses = [](const char* text, const char* words) {
    const std::string result = parse(text);
    EXPECT_TRUE(result.starts_with("error: ")) << result;
    EXPECT_NE(result.find(words), std::string::npos) << result;
  };
  refuses("3", "no JSON object");
  refuses(R"({"text": "a"})", "no 'messages'");
  refuses(R"({"messages": {}})", "no array");
  refuses(R"({"messages": []})", "nobody answers");
  refuses(R"({"messages": [{"role": "user", "content": "a"}]})", "nobody answers");
  refuses(R"({"messages": [3]})", "message 1 is no object");
  refuses(R"({"messages": [{"content": "a"}]})", "message 1 has no 'role'");
  refuses(R"({"messages": [{"role": "robot", "content": "a"}]})", "role 'robot'");
  refuses(R"({"messages": [{"role": "assistant"}]})", "has no 'content'");
  refuses(R"({"messages": [{"role": "assistant", "content": 3}]})", "is no text");
  refuses(R"({"messages": [{"role": "assistant", "content": [{"type": "image"}]}]})", "is no text");
  refuses(R"({"conversations": [{"from": "alien", "value": "x"}]})", "'alien'");
  refuses(R"({"conversations": [{"from": "gpt"}]})", "turn 1 has no");
  refuses(R"({"prompt": "a"})", "'prompt' and 'completion'");
  refuses(R"({"instruction": 3, "output": "x"})", "'instruction' and 'output'");
  refuses(R"({"prompt": "a", "completion": "b", "tools": 3})", "'tools'");
}

}  // namespace
}  // namespace minim::train
