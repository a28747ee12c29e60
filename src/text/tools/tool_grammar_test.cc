#include "text/tools/tool_grammar.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "text/grammar/testing/grammar_matches.h"
#include "text/schema/constraint_factory.h"
#include "text/tokenizer_test_support.h"

namespace minim {
namespace {

const char* const kTools = R"([
  {"type": "function", "function": {"name": "weather", "description": "Of a city",
   "parameters": {"type": "object", "properties": {"city": {"type": "string"},
                  "days": {"type": "integer", "minimum": 1, "maximum": 9}}, "required": ["city"]}}},
  {"type": "function", "function": {"name": "time", "parameters": {"type": "object",
   "$defs": {"zone": {"enum": ["UTC", "CET"]}},
   "properties": {"zone": {"$ref": "#/$defs/zone"}}}}}])";

bool accepts(const ToolUse& use, const std::string& text) {
  return testing::matches(*compile_grammar(tool_grammar(parse_tools(kTools), use)), text);
}

class ToolGrammarTest : public ::testing::TestWithParam<int> {
 protected:
  ToolNotation notation() const { return static_cast<ToolNotation>(GetParam()); }
  std::string write(const std::vector<ToolCall>& calls) const {
    return write_tool_calls(notation(), calls);
  }
  const ToolCall weather_ = {"weather", R"({"city":"Köln","days":3})"};
  const ToolCall time_ = {"time", R"({"zone":"CET"})"};
};

TEST_P(ToolGrammarTest, TextOrValidCalls) {
  const ToolUse use = {.notation = notation()};
  for (const std::string text : {"", "It is 3 < 4.", "Well [this] is `{}` <tool> functool"}) {
    EXPECT_TRUE(accepts(use, text)) << text;
  }
  EXPECT_TRUE(accepts(use, write({weather_})));
  EXPECT_TRUE(accepts(use, write({weather_, time_, weather_})));
  EXPECT_TRUE(accepts(use, write({{"time", "{}"}})));
  EXPECT_FALSE(accepts(use, write({{"time", R"({"zone":"EST"})"}})));
  EXPECT_FALSE(accepts(use, write({{"weather", "{}"}})));
  EXPECT_FALSE(accepts(use, write({{"weather", R"({"city":"a","days":10})"}})));
  EXPECT_FALSE(accepts(use, write({{"weather", R"({"city":"a","more":1})"}})));
  EXPECT_FALSE(accepts(use, write({{"other", "{}"}})));
  const std::string whole = write({weather_});
  const auto& begins = tool_syntax(notation()).begins;
  for (size_t size = begins.empty() ? 1 : begins[0].size(); size < whole.size(); ++size) {
    EXPECT_FALSE(accepts(use, whole.substr(0, size))) << whole.substr(0, size);
  }
  EXPECT_EQ(accepts(use, "I look. " + whole), true) << "text, even where it is no call";
}

TEST_P(ToolGrammarTest, ChoicesAreHeldTo) {
  const ToolUse required = {.notation = notation(), .choice = ToolChoice::kRequired};
  EXPECT_FALSE(accepts(required, ""));
  EXPECT_FALSE(accepts(required, "No."));
  EXPECT_TRUE(accepts(required, write({time_})));
  ToolUse named = required;
  named.name = "time";
  EXPECT_TRUE(accepts(named, write({time_, time_})));
  EXPECT_FALSE(accepts(named, write({weather_})));
  named.parallel = false;
  EXPECT_TRUE(accepts(named, write({time_})));
  EXPECT_FALSE(accepts(named, write({time_, time_})));
  named.name = "absent";
  EXPECT_THROW(tool_grammar(parse_tools(kTools), named), Error);
}

INSTANTIATE_TEST_SUITE_P(Notations, ToolGrammarTest, ::testing::Range(0, kToolNotationCount),
                         [](const auto& notation) {
                           std::string name =
                               tool_syntax(static_cast<ToolNotation>(notation.param)).name;
                           std::erase(name, '-');
                           return name;
                         });

TEST(ToolGrammar, ErrorsNameTheToolAndTheKeyword) {
  const auto message = [](const char* tools) -> std::string {
    try {
      tool_grammar(parse_tools(tools), {});
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  const std::string unique = message(
      R"([{"name": "a"}, {"name": "b", "parameters": {"type": "object", "properties": {
          "c": {"type": "array", "uniqueItems": true}}}}])");
  for (const char* part : {"tools: 'b': ", "#/properties/c", "uniqueItems"}) {
    EXPECT_NE(unique.find(part), std::string::npos) << unique;
  }
  EXPECT_NE(message(R"([{"name": "a b"}])").find("'a b'"), std::string::npos);
  EXPECT_NE(message(R"([{"name": "a"}, {"name": "a"}])").find("tool 1"), std::string::npos);
  EXPECT_NE(message(R"([{"type": "retrieval"}])").find("\"retrieval\""), std::string::npos);
  EXPECT_NE(message(R"([{"name": "a", "parameters": {"type": "array"}}])").find("\"array\""),
            std::string::npos);
  for (const char* hostile : {"", "{}", "[]", "[3]", "[{}]", "[{\"function\": 3}]", "[[[[",
                              R"([{"name": 3}])", R"([{"name": "a", "parameters": "x"}])"}) {
    EXPECT_THROW(tool_grammar(parse_tools(hostile), {}), Error) << hostile;
  }
  std::string many = "[";
  for (int i = 0; i < 129; ++i) {
    many += (i == 0 ? "{\"name\": \"t" : ",{\"name\": \"t") + std::to_string(i) + "\"}";
  }
  EXPECT_THROW(parse_tools(many + "]"), Error);
}

// Values are text or JSON by their schemas, and no text holds the mark of its end.
TEST(ToolGrammar, QwenXmlHoldsParametersToTheirSchemas) {
  const auto grammar = compile_grammar(
      tool_grammar(parse_tools(R"([{"name": "f",
      "parameters": {"type": "object", "properties": {
        "code": {"type": "string", "pattern": "^[A-Z]+$", "maxLength": 3},
        "text": {"type": "string"}, "word": {"enum": ["on", "off", 0]},
        "list": {"type": "array", "items": {"type": "string"}},
        "either": {"type": ["string", "integer"]}},
       "required": ["code"]}},
      {"name": "g", "parameters": {"type": "object",
       "additionalProperties": {"type": "integer"}}}])"),
                   {.notation = ToolNotation::kQwenXml, .choice = ToolChoice::kRequired}));
  const auto accepts_call = [&](const char* name, const char* arguments) {
    const ToolCall call = {name, arguments};
    return testing::matches(*grammar, write_tool_calls(ToolNotation::kQwenXml, {&call, 1}));
  };
  EXPECT_TRUE(accepts_call("f", R"({"code":"ABC"})"));
  EXPECT_TRUE(accepts_call(
      "f", R"({"code":"A","text":"two\n\"lines\" </param","word":"off","list":["a","b"]})"));
  EXPECT_TRUE(accepts_call("f", R"({"code":"A","text":"","word":0,"either":3})"));
  EXPECT_TRUE(accepts_call("f", R"({"code":"A","either":"three"})"));
  EXPECT_FALSE(accepts_call("f", R"({"code":"ABCD"})"));
  EXPECT_FALSE(accepts_call("f", R"({"code":"abc"})"));
  EXPECT_FALSE(accepts_call("f", R"({"text":"a"})")) << "'code' is required";
  EXPECT_FALSE(accepts_call("f", R"({"code":"A","text":"</parameter>"})"));
  EXPECT_FALSE(accepts_call("f", R"({"code":"A","word":"other"})"));
  EXPECT_FALSE(accepts_call("f", R"({"code":"A","list":"a"})"));
  EXPECT_FALSE(accepts_call("f", R"({"code":"A","more":"a"})"));
  EXPECT_TRUE(accepts_call("g", R"({"one":1,"two":2})"));
  EXPECT_FALSE(accepts_call("g", R"({"one":"a"})"));
  EXPECT_FALSE(accepts_call("g", R"({"o>e":1})"));
}

// Where a mark is a control token, that token is what may come, and what is forced.
TEST(ToolGrammar, MarksThatAreTokensAreSpoken) {
  Vocabulary vocabulary = testing::byte_bpe_vocabulary();
  const TokenId mark = testing::add_token(vocabulary, "[TOOL_CALLS]", 0, TokenType::kControl);
  const TokenId other = testing::add_token(vocabulary, "[INST]", 0, TokenType::kControl);
  vocabulary.scores.clear();
  const auto tokenizer = Tokenizer::make(vocabulary);
  ConstraintFactory factory(tokenizer);
  ConstraintSource source = {ConstraintKind::kTools, kTools, {}, {ToolNotation::kMistral}};
  Constraint constraint = factory.make(source);
  std::vector<uint64_t> bits(constraint.mask_words());
  const auto allowed = [&](TokenId token) {
    constraint.allowed(bits);
    return (bits[size_t(token) / 64] >> (token % 64) & 1) != 0;
  };
  EXPECT_TRUE(allowed(mark));
  EXPECT_FALSE(allowed(other));
  ASSERT_TRUE(constraint.accept(mark));
  EXPECT_EQ(constraint.forced_text(), "[{\"name\": \"");
  source.use.choice = ToolChoice::kRequired;
  EXPECT_EQ(factory.make(source).forced_tokens().front(), mark);
  EXPECT_EQ(factory.kept_count(), 2u);
}

TEST(ToolNotation, IsToldByTheTemplateOrTheFamily) {
  const auto detect = [](const char* text, const char* architecture = "llama") {
    return detect_tool_notation(text, architecture);
  };
  EXPECT_EQ(detect("<tool_call>\n{\"name\": <function-name>}\n</tool_call>"),
            ToolNotation::kHermes);
  EXPECT_EQ(detect("<tool_call><function=name>"), ToolNotation::kQwenXml);
  EXPECT_EQ(detect("<tool_call>name<arg_key>"), std::nullopt);
  EXPECT_EQ(detect("[TOOL_CALLS] [INST]"), ToolNotation::kMistral);
  EXPECT_EQ(detect("[TOOL_CALLS] [ARGS]"), ToolNotation::kMistralArgs);
  EXPECT_EQ(detect("<|tool|>{{ tools }}<|/tool|>"), ToolNotation::kPhi);
  EXPECT_EQ(detect("<|start_header_id|>"), ToolNotation::kLlama);
  EXPECT_EQ(detect("<start_of_turn>"), ToolNotation::kGemma);
  EXPECT_EQ(detect("<|im_start|>"), ToolNotation::kHermes);
  EXPECT_EQ(detect("", "gemma3"), ToolNotation::kGemma);
  EXPECT_EQ(detect("", "phi3"), ToolNotation::kPhi);
  EXPECT_EQ(detect("", "qwen3"), ToolNotation::kHermes);
  EXPECT_EQ(detect("{{ messages }}"), std::nullopt);
  EXPECT_EQ(parse_tool_notation("mistral"), ToolNotation::kMistral);
  EXPECT_THROW(parse_tool_notation("morse"), Error);
}

}  // namespace
}  // namespace minim
