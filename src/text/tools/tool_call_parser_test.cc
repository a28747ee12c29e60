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
            const std::vector<std::string>& names = {}) {
  ToolList tools;
  for (const std::string& name : names) tools.tools.push_back({name, "", {}});
  ToolCallParser parser(notation, tools);
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

TEST(ToolCallParser, QwenXmlCallsHaveTagsForParameters) {
  const std::string weather =
      "<function=weather>\n<parameter=city>\nZürich\n</parameter>\n</function>";
  const auto framed = [](const std::string& call) {
    return "<tool_call>\n" + call + "\n</tool_call>";
  };
  const auto notation = ToolNotation::kQwenXml;
  expect(notation, "I see.\n" + framed(weather) + "\n" + framed("<function=time>\n</function>"),
         "I see.\n", {kWeather, kTime});
  // Without the outer marks, or without line breaks; JSON between them.
  expect(notation, weather + " and", " and", {kWeather});
  expect(notation,
         "<tool_call><function=weather><parameter=city>Zürich</parameter></function></tool_call>",
         "", {kWeather});
  expect(notation, framed(R"({"name": "weather", "arguments": {"city": "Zürich"}})"), "",
         {kWeather});
  expect(notation,
         framed("<function=f>\n<parameter=a>\n\n x\n\n</parameter>\n<parameter=b>\n[1, {}]\n"
                "</parameter>\n<parameter=c>\n</parameter>\n</function>"),
         "", {{"f", R"({"a":"\n x\n","b":[1,{}],"c":""})"}});
  for (const std::string text :
       {"<tool_call>\n<function=f", "<function=f>\n<parameter=a>\nx", "<function=>\n</function>",
        "<function=f\n>\n</function>", "<function=f>x</function>", "<functio", "<tool_call>x",
        "<function=f>\n<parameter=>\n</parameter>\n</function>",
        "<function=f><parameter=a>1</parameter><parameter=a>2</parameter></function>",
        "<tool_call>\n<function=f>\n</function>\n</tool> x"}) {
    expect(notation, text, text, {});
  }
  expect(notation, "<function=f>no" + weather, "<function=f>no", {kWeather});
}

// A parameter that is text is text, whatever it looks like.
TEST(ToolCallParser, QwenXmlValuesAreReadByTheirSchemas) {
  const ToolList tools = parse_tools(R"([{"name": "f", "parameters": {"type": "object",
      "$defs": {"flag": {"type": ["boolean", "null"]}},
      "properties": {"text": {"type": "string"}, "word": {"enum": ["1", "2"]},
      "count": {"type": "integer"}, "flag": {"$ref": "#/$defs/flag"},
      "either": {"anyOf": [{"type": "string"}, {"type": "number"}]},
      "list": {"type": "array"}}}}])");
  const auto value = [&](const std::string& name, const std::string& text) {
    ToolCallParser parser(ToolNotation::kQwenXml, tools);
    const auto output = parser.push("<tool_call><function=f><parameter=" + name + ">\n" + text +
                                    "\n</parameter></function></tool_call>");
    EXPECT_EQ(output.calls.size(), 1u) << output.text;
    return output.calls.empty() ? "" : output.calls[0].call.arguments;
  };
  EXPECT_EQ(value("text", "42"), R"({"text":"42"})");
  EXPECT_EQ(value("text", "{\"a\": 1}"), R"({"text":"{\"a\": 1}"})");
  EXPECT_EQ(value("word", "1"), R"({"word":"1"})");
  EXPECT_EQ(value("count", " 42 "), R"({"count":42})");
  EXPECT_EQ(value("count", "many"), R"({"count":"many"})") << "no value of it; left to the caller";
  EXPECT_EQ(value("flag", "True"), R"({"flag":true})");
  EXPECT_EQ(value("flag", "None"), R"({"flag":null})");
  EXPECT_EQ(value("either", "1.5"), R"({"either":1.5})");
  EXPECT_EQ(value("either", "true"), R"({"either":"true"})");
  EXPECT_EQ(value("list", "[1, \"a\"]"), R"({"list":[1,"a"]})");
  EXPECT_EQ(value("other", "7"), R"({"other":7})");
  EXPECT_EQ(value("other", "seven"), R"({"other":"seven"})");
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

Result read_pieces(ToolNotation notation, std::string_view text, size_t step) {
  ToolCallParser parser(notation, {}, ToolCallPieces::kAsWritten);
  Result result;
  bool open = false;
  const auto add_pieces = [&](const ToolCallParser::Output& output) {
    result.text += output.text;
    for (const ParsedToolCall& piece : output.calls) {
      if (piece.begins) {
        EXPECT_EQ(piece.index, static_cast<int>(result.calls.size()));
        result.calls.push_back({piece.call.name, ""});
      } else {
        EXPECT_TRUE(open);
        EXPECT_EQ(piece.index, static_cast<int>(result.calls.size()) - 1);
        EXPECT_EQ(piece.call.name, "");
      }
      result.calls.back().arguments += piece.call.arguments;
      open = !piece.ends;
    }
  };
  for (size_t at = 0; at < text.size(); at += step) {
    add_pieces(parser.push(text.substr(at, step)));
  }
  add_pieces(parser.finish());
  return result;
}

TEST(ToolCallParser, PiecesAreTheWholeCalls) {
  const std::string weather = R"({"name": "weather", "arguments": {"city": "Zürich"}})";
  const std::string tags =
      "<function=weather>\n<parameter=city>\nZürich\n</parameter>\n</function>";
  const std::pair<ToolNotation, std::string> texts[] = {
      {ToolNotation::kHermes, "<tool_call>\n" + weather + "\n</tool_call>\n<tool_call>" +
                                  R"({"name": "time", "arguments": {}}</tool_call>)"},
      // One that cannot be told before it is whole.
      {ToolNotation::kHermes, "<tool_call>\n" + weather + "\n</tool_call>\n<tool_call>" +
                                  R"({"arguments": {}, "name": "time"}</tool_call>)"},
      {ToolNotation::kLlama, weather + "; " + R"({"name": "time"})"},
      {ToolNotation::kMistral, "[TOOL_CALLS][" + weather + R"(, {"name": "time"}])"},
      {ToolNotation::kMistralArgs,
       "[TOOL_CALLS]weather[ARGS]{\"city\": \"Zürich\"}[TOOL_CALLS]time[ARGS]{}"},
      {ToolNotation::kPhi,
       "<|tool_call|>[" + weather + R"(, {"name": "time", "arguments": {}}]<|/tool_call|>)"},
      {ToolNotation::kQwenXml, "<tool_call>\n" + tags +
                                   "\n</tool_call>\n<tool_call>\n<function=time>\n</function>\n"
                                   "</tool_call>"}};
  for (const auto& [notation, text] : texts) {
    SCOPED_TRACE(text);
    for (size_t step = 1; step <= text.size(); ++step) {
      const Result result = read_pieces(notation, text, step);
      ASSERT_EQ(result.text, "") << step;
      ASSERT_EQ(result.calls, (std::vector<ToolCall>{kWeather, kTime})) << step;
    }
  }
}

TEST(ToolCallParser, PiecesComeAsTheyAreWritten) {
  ToolCallParser parser(ToolNotation::kHermes, {}, ToolCallPieces::kAsWritten);
  EXPECT_TRUE(parser.push("<tool_call>\n{\"name\": \"f\"").calls.empty());
  const auto begun = parser.push(", \"arguments\": {\"a\": ").calls;
  ASSERT_EQ(begun.size(), 1u);
  EXPECT_TRUE(begun[0].begins && !begun[0].ends);
  EXPECT_EQ(begun[0].call, (ToolCall{"f", "{\"a\":"}));
  const auto more = parser.push("12").calls;
  ASSERT_EQ(more.size(), 1u);
  EXPECT_TRUE(!more[0].begins && !more[0].ends);
  EXPECT_EQ(more[0].call, (ToolCall{"", "12"}));
  const auto end = parser.push("}}\n").calls;
  ASSERT_EQ(end.size(), 1u);
  EXPECT_TRUE(!end[0].begins && end[0].ends);
  EXPECT_EQ(end[0].call, (ToolCall{"", "}"}));
  EXPECT_TRUE(parser.push("</tool_call>").calls.empty());
  EXPECT_EQ(parser.finish().text, "");
}

// What was told stays told, and is not said again.
TEST(ToolCallParser, PiecesMayBeCut) {
  const std::string begun = "<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": \"b";
  for (const size_t step : {size_t{1}, size_t{7}, begun.size()}) {
    const Result cut = read_pieces(ToolNotation::kHermes, begun, step);
    EXPECT_EQ(cut.text, "");
    EXPECT_EQ(cut.calls, (std::vector<ToolCall>{{"f", "{\"a\":\"b"}}));
    const Result broken = read_pieces(ToolNotation::kHermes, begun + "\"} or so", step);
    EXPECT_EQ(broken.text, "or so");
    EXPECT_EQ(broken.calls, (std::vector<ToolCall>{{"f", "{\"a\":\"b\"}"}}));
  }
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
  std::string tags;
  for (int i = 0; i < 40'000; ++i) tags += i % 2 == 0 ? "<function=" : "<parameter=a>";
  for (const size_t step : {tags.size(), size_t{7}}) {
    EXPECT_EQ(read(ToolNotation::kQwenXml, tags, step).text, tags);
    EXPECT_EQ(read(ToolNotation::kQwenXml, "<function=f><parameter=a>" + text, step).text.size(),
              text.size() + 25);
  }
  std::string calls;
  for (int i = 0; i < 1500; ++i) calls += "<tool_call>{\"name\":\"a\"}</tool_call>";
  EXPECT_EQ(read(ToolNotation::kHermes, calls, 100).calls.size(), 1024u);
}

}  // namespace
}  // namespace minim
