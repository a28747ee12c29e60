#include "text/tool_calls.h"

#include <gtest/gtest.h>

namespace minim {
namespace {

struct Result {
  std::string text;
  std::vector<std::string> calls;
};

Result read(std::string_view text, size_t step) {
  ToolCalls parser;
  Result result;
  for (size_t at = 0; at < text.size(); at += step) {
    const ToolCalls::Output output = parser.push(text.substr(at, step));
    result.text += output.text;
    result.calls.insert(result.calls.end(), output.calls.begin(), output.calls.end());
  }
  result.text += parser.finish();
  return result;
}

TEST(ToolCalls, AreTakenOutOfTheTextHoweverItIsCut) {
  const std::string text =
      "Let me see.\n<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Zürich\"}}\n"
      "</tool_call>\n<tool_call>{\"arguments\":{},\"name\":\"time\"}</tool_call> a <b <tool_ca";
  for (size_t step = 1; step <= text.size(); ++step) {
    const Result result = read(text, step);
    EXPECT_EQ(result.text, "Let me see.\n\n a <b <tool_ca");
    ASSERT_EQ(result.calls.size(), 2u);
    EXPECT_EQ(result.calls[0], "{\"name\":\"weather\",\"arguments\":{\"city\":\"Zürich\"}}");
    EXPECT_EQ(result.calls[1], "{\"name\":\"time\",\"arguments\":{}}");
  }
}

TEST(ToolCalls, WhatIsNoCallIsText) {
  for (const std::string text :
       {"<tool_call>hello</tool_call>", "<tool_call>{\"name\": 3}</tool_call>", "<tool_call>[]",
        "<tool_call>{\"name\": \"a\", \"arguments\": \"b\"}</tool_call>", "<tool_call></tool_call>",
        "</tool_call>", "<tool_call>{\"name\": \"a\""}) {
    const Result result = read(text, 3);
    EXPECT_EQ(result.text, text);
    EXPECT_TRUE(result.calls.empty());
  }
  EXPECT_EQ(read("<tool_call>{\"name\": \"a\"}</tool_call>", 1).calls.size(), 1u);
}

TEST(ToolCalls, TextIsNotHeldBackWithoutReason) {
  ToolCalls parser;
  EXPECT_EQ(parser.push("a < b <").text, "a < b ");
  EXPECT_EQ(parser.push("tool").text, "");
  EXPECT_EQ(parser.push("s>").text, "<tools>");
}

TEST(ToolCalls, AreBounded) {
  ToolCalls parser;
  parser.push("<tool_call>");
  const std::string text(ToolCalls::kCallBytesMax, 'x');
  EXPECT_EQ(parser.push(text).text.size(), text.size() + 11);
  EXPECT_EQ(parser.push("y").text, "y");
}

TEST(ToolCalls, TheNotationIsToldByTheTemplate) {
  EXPECT_TRUE(has_json_tool_calls(
      "<tool_call>\n{\"name\": <function-name>, \"arguments\": <args>}\n</tool_call>"));
  EXPECT_FALSE(has_json_tool_calls("{{ messages }}"));
  EXPECT_FALSE(has_json_tool_calls("<tool_call><function=name> arguments </tool_call>"));
}

}  // namespace
}  // namespace minim
