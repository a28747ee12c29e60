#include "text/tools/tool_call_parser.h"

#include <gtest/gtest.h>

namespace minim {
namespace {

struct Result {
  std::string text;
  std::vector<ToolCall> calls;
};

void add(const ToolCallParser::Output& output, Result& result) {
  result.text += output.text;
  for (const ParsedToolCall& parsed : output.calls) {
    EXPECT_EQ(parsed.index, static_cast<int>(result.calls.size()));
    result.calls.push_back(parsed.call);
  }
}

Result read(ToolNotation notation, std::string_view text, size_t step,
            std::vector<std::string> names = {}) {
  ToolCallParser parser(notation, std::move(names));
  Result result;
  for (size_t at = 0; at < text.size(); at += step) add(parser.push(text.substr(at, step)), result);
  add(parser.finish(), result);
  return result;
}

// However the text is cut.
void expect(ToolNotation notation, const std::string& text, const std::string& rest,
            const std::vector<ToolCall>& calls, const std::vector<std::string>& names = {}) {
  SCOPED_TRACE(text);
  for (size_t step = 1; step <= text.size(); ++step) {
    const Result result = read(notation, text, step, names);
    ASSERT_EQ(result.text, rest) << step;
    ASSERT_EQ(result.calls, calls) << step;
  }
}

const ToolCall kWeather = {"weather", "{\"city\":\"Zürich\"}"};
const ToolCall kTime = {"time", "{}"};

TEST(ToolCallParser, HermesCallsAreTakenOutOfTheText) {
  expect(
      ToolNotation::kHermes,
      "Let me see.\n<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Zürich\"}}\n"
      "</tool_call>\n<tool_call>{\"arguments\":{},\"name\":\"time\"}</tool_call> a <b <tool_ca",
      "Let me see.\n a <b <tool_ca", {kWeather, kTime});
  // A mark within a string is none, white space behind the last call is no text.
  expect(ToolNotation::kHermes,
         "<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": \"</tool_call>\"}}</tool_call>\n", "",
         {{"f", "{\"a\":\"</tool_call>\"}"}});
  // Cut before, or in, the mark of the end.
  for (const char* end : {"", "\n", "</tool", "\n</"}) {
    expect(ToolNotation::kHermes, std::string("<tool_call>{\"name\": \"time\"}") + end, "",
           {kTime});
  }
}

TEST(ToolCallParser, LlamaCallsAreTheWholeAnswer) {
  const std::string call = R"({"name": "weather", "parameters": {"city": "Zürich"}})";
  expect(ToolNotation::kLlama, call, "", {kWeather});
  expect(ToolNotation::kLlama, "<|python_tag|>" + call + "; " + R"({"name": "time"})", "",
         {kWeather, kTime});
  expect(ToolNotation::kLlama, "It is " + call, "It is " + call, {});
  expect(ToolNotation::kLlama, R"({"answer": 3} or so)", R"({"answer": 3} or so)", {});
  expect(ToolNotation::kLlama, call, call, {}, {"time"});
  expect(ToolNotation::kLlama, "<|python_tag|>print(3)", "<|python_tag|>print(3)", {});
  expect(ToolNotation::kLlama, " \n", " \n", {});
}

TEST(ToolCallParser, GemmaCallsMayBeFenced) {
  const std::string call = R"({"name": "weather", "parameters": {"city": "Zürich"}})";
  expect(ToolNotation::kGemma, call + "\n" + R"({"name": "time", "parameters": {}})", "",
         {kWeather, kTime});
  expect(ToolNotation::kGemma, "```json\n" + call + "\n```\n", "", {kWeather});
  expect(ToolNotation::kGemma, "```tool_code\n" + call + "\n```", "", {kWeather});
  expect(ToolNotation::kGemma, "```python\nx = 3\n```", "```python\nx = 3\n```", {});
}

TEST(ToolCallParser, MistralCallsAreAListOrNamed) {
  for (const ToolNotation notation : {ToolNotation::kMistral, ToolNotation::kMistralArgs}) {
    expect(notation,
           "Well. [TOOL_CALLS][{\"name\": \"weather\", \"arguments\": {\"city\": \"Zürich\"}, "
           "\"id\": \"abcdefghi\"}, {\"name\": \"time\", \"arguments\": {}}]",
           "Well. ", {kWeather, kTime});
    expect(notation,
           "[TOOL_CALLS]weather[ARGS]{\"city\": \"Zürich\"}[TOOL_CALLS]time[CALL_ID]x[ARGS]{}", "",
           {kWeather, kTime});
    expect(notation, "[TOOL_CALLS]a[ARGS][]", "[TOOL_CALLS]a[ARGS][]", {});
    expect(notation, "[TOOL_CALLS]and so on", "[TOOL_CALLS]and so on", {});
  }
}

TEST(ToolCallParser, PhiCallsAreAList) {
  const std::string list =
      "[{\"name\": \"weather\", \"arguments\": {\"city\": \"Zürich\"}}, {\"name\": \"time\"}]";
  expect(ToolNotation::kPhi, "<|tool_call|>" + list + "<|/tool_call|>", "", {kWeather, kTime});
  expect(ToolNotation::kPhi, "functools" + list, "", {kWeather, kTime});
  expect(ToolNotation::kPhi, "functools" + list + " and", " and", {kWeather, kTime});
  expect(ToolNotation::kPhi, "<|tool_call|>" + list + " and", "<|tool_call|>" + list + " and", {});
  expect(ToolNotation::kPhi, "import functools\n", "import functools\n", {});
}

TEST(ToolCallParser, WhatIsNoCallIsText) {
  for (const std::string text :
       {"<tool_call>hello</tool_call>", "<tool_call>{\"name\": 3}</tool_call>", "<tool_call>[]",
        "<tool_call>{\"name\": \"a\", \"arguments\": \"b\"}</tool_call>", "<tool_call></tool_call>",
        "</tool_call>", "<tool_call>{\"name\": \"a\"", "<tool_call>{\"name\": \"a\"} b",
        "<tool_call>{\"name\": \"a\", \"name\": \"b\"}</tool_call>",
        "<tool_call>[{\"name\": \"a\"}, 3]</tool_call>",
        "<tool_call>{\"name\": \"\"}</tool_call>"}) {
    expect(ToolNotation::kHermes, text, text, {});
  }
  expect(ToolNotation::kHermes, "<tool_call>no<tool_call>{\"name\": \"time\"}</tool_call>",
         "<tool_call>no", {kTime});
  expect(ToolNotation::kHermes,
         "<tool_call>{\"name\": \"time\", \"arguments\": \"{}\"}</tool_call>", "", {kTime});
  expect(ToolNotation::kHermes,
         "<tool_call>{\"type\": \"function\", \"function\": {\"name\": \"time\"}}</tool_call>", "",
         {kTime});
}

TEST(ToolCallParser, TextIsNotHeldBackWithoutReason) {
  ToolCallParser parser(ToolNotation::kHermes);
  EXPECT_EQ(parser.push("a < b <").text, "a < b ");
  EXPECT_EQ(parser.push("tool").text, "");
  EXPECT_EQ(parser.push("s>").text, "<tools>");
  EXPECT_EQ(parser.push("<tool_call>{oops").text, "<tool_call>{oops") << "no JSON begins so";
  ToolCallParser unmarked(ToolNotation::kLlama);
  EXPECT_EQ(unmarked.push(" It").text, " It");
}

TEST(ToolCallParser, CallsComeAsSoonAsTheyAreWhole) {
  ToolCallParser parser(ToolNotation::kHermes);
  EXPECT_TRUE(parser.push("<tool_call>{\"name\": \"time\"}\n").calls.empty());
  EXPECT_EQ(parser.push("</tool_call>").calls.size(), 1u);
  ToolCallParser mistral(ToolNotation::kMistral);
  EXPECT_EQ(mistral.push("[TOOL_CALLS][{\"name\": \"time\"}]").calls.size(), 1u);
}

TEST(ToolCallParser, IsBoundedAndLinear) {
  ToolCallParser parser(ToolNotation::kHermes);
  parser.push("<tool_call>[\"");
  const std::string text(ToolCallParser::kCallBytesMax, 'x');
  EXPECT_EQ(parser.push(text).text.size(), text.size() + 13);
  EXPECT_EQ(parser.push("y").text, "y");
  std::string many;
  for (int i = 0; i < 40'000; ++i) many += "<tool_call>{";
  EXPECT_EQ(read(ToolNotation::kHermes, many, many.size()).text, many);
  EXPECT_EQ(read(ToolNotation::kHermes, many, 5).text, many);
  std::string calls;
  for (int i = 0; i < 1500; ++i) calls += "<tool_call>{\"name\":\"a\"}</tool_call>";
  EXPECT_EQ(read(ToolNotation::kHermes, calls, 100).calls.size(), 1024u);
}

}  // namespace
}  // namespace minim
