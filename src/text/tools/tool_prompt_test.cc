#include "text/tools/tool_prompt.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/support/test_data.h"
#include "text/tokenizer_test_support.h"
#include "text/tools/tool_call_parser.h"
#include "text/tools/tool_list.h"

namespace minim {
namespace {

std::shared_ptr<const Tokenizer> tokenizer_with(const std::string& chat_template) {
  Vocabulary vocabulary = testing::byte_bpe_vocabulary();
  vocabulary.chat_template = chat_template;
  return Tokenizer::make(vocabulary);
}

const std::string kChatMl =
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}";
const std::string kNoSystem =
    "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}{% endif "
    "%}<{{ m.role }}>{{ m.content }}{% endfor %}";

OrderedJson conversation() {
  return parse_ordered_json(R"({"messages": [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Weather?"},
    {"role": "assistant", "content": null, "tool_calls": [
      {"id": "call_1", "type": "function", "function": {"name": "weather",
       "arguments": "{\"city\": \"Bonn\"}"}}]},
    {"role": "tool", "tool_call_id": "call_1", "content": "rain"},
    {"role": "user", "content": "And now?"}],
    "tools": [{"type": "function", "function": {"name": "weather", "description": "Of a city",
      "parameters": {"type": "object", "properties": {"city": {"type": "string",
      "description": "Its name"}}}}}]})",
                            "conversation");
}

std::string render(const std::string& chat_template, OrderedJson variables,
                   std::optional<ToolNotation> notation = ToolNotation::kHermes) {
  const ChatPrompt chat(tokenizer_with(chat_template));
  return chat.render(prepare_tools(chat, std::move(variables), notation, 0), 0);
}

TEST(ToolPrompt, TemplatesWithoutToolsDescribeThemInTheSystemMessage) {
  const std::string text = render(kChatMl, conversation());
  EXPECT_TRUE(text.starts_with("<|im_start|>system\nBe brief.\n\nThere are functions"));
  EXPECT_NE(text.find("\n{\"type\": \"function\", \"function\": {\"name\": \"weather\", "),
            std::string::npos);
  EXPECT_NE(text.find("<|im_start|>assistant\n<tool_call>\n{\"name\": \"weather\", \"arguments\": "
                      "{\"city\": \"Bonn\"}}\n</tool_call><|im_end|>"),
            std::string::npos)
      << text;
  EXPECT_TRUE(
      text.ends_with("<|im_start|>user\n<tool_response>\nrain\n</tool_response>\n"
                     "And now?<|im_end|>\n"))
      << text;
}

TEST(ToolPrompt, TemplatesWithoutSystemMessagesDescribeThemToTheUser) {
  const std::string text = render(kNoSystem, conversation(), ToolNotation::kGemma);
  EXPECT_TRUE(text.starts_with("<user>Be brief.\n\nThere are functions")) << text;
  EXPECT_NE(text.find("Otherwise answer in words.\n\nWeather?<assistant>{\"name\": \"weather\", "
                      "\"parameters\": {\"city\": \"Bonn\"}}<user>"),
            std::string::npos)
      << text;
}

TEST(ToolPrompt, WithoutToolsNothingChanges) {
  OrderedJson plain = {{"messages", {{{"role", "user"}, {"content", "a"}}}}};
  const ChatPrompt chat(tokenizer_with(kChatMl));
  EXPECT_EQ(prepare_tools(chat, plain, std::nullopt, 0), plain);
  EXPECT_THROW(render(kChatMl, conversation(), std::nullopt), Error);
}

TEST(ToolPrompt, CallsThatAreNoneAreRefused) {
  for (const char* calls : {"[3]", "[{}]", R"([{"function": 3}])", R"([{"function": {"name": 3}}])",
                            R"([{"function": {"name": "a", "arguments": "no"}}])",
                            R"([{"function": {"name": "a", "arguments": [1]}}])"}) {
    OrderedJson variables = conversation();
    variables["messages"][2]["tool_calls"] = OrderedJson::parse(calls);
    EXPECT_THROW(render(kChatMl, variables), Error) << calls;
  }
  OrderedJson only_system = conversation();
  only_system["messages"] = OrderedJson::parse(R"([{"role": "system", "content": "a"}])");
  EXPECT_THROW(render(kNoSystem, only_system), Error);
}

// The templates of released models: each writes the tools and the call so that its notation, as it
// is detected, reads the call back.
TEST(ToolPrompt, PublishedTemplatesWriteWhatTheirNotationReads) {
  MINIM_DATA_OR_SKIP(path, "conformance/chat_templates_llamacpp.tar.xz");
  const std::map<std::string, ToolNotation> expected = {
      {"meta-llama-Llama-3.1-8B-Instruct", ToolNotation::kLlama},
      {"meta-llama-Llama-3.2-3B-Instruct", ToolNotation::kLlama},
      {"meta-llama-Llama-3.3-70B-Instruct", ToolNotation::kLlama},
      {"mistralai-Mistral-Nemo-Instruct-2407", ToolNotation::kMistral},
      {"Qwen-Qwen2.5-7B-Instruct", ToolNotation::kHermes},
      {"NousResearch-Hermes-2-Pro-Llama-3-8B-tool_use", ToolNotation::kHermes},
      {"NousResearch-Hermes-3-Llama-3.1-8B-tool_use", ToolNotation::kHermes},
      {"google-gemma-2-2b-it", ToolNotation::kGemma},
      {"microsoft-Phi-3.5-mini-instruct", ToolNotation::kPhi},
  };
  size_t found = 0;
  for (const testing::ArchiveMember& member : testing::read_archive(path)) {
    std::string name = member.name.substr(member.name.rfind('/') + 1);
    name = name.substr(0, name.rfind('.'));
    const auto wanted = expected.find(name);
    if (wanted == expected.end()) continue;
    SCOPED_TRACE(name);
    ++found;
    // Phi's template says nothing of tools; its family does.
    const auto notation =
        detect_tool_notation(member.content, name.starts_with("microsoft") ? "phi3" : "llama");
    ASSERT_EQ(notation, wanted->second);
    OrderedJson variables = conversation();
    variables["messages"].erase(4);
    const std::string text = render(member.content, variables, notation);
    EXPECT_NE(text.find("Of a city"), std::string::npos);
    EXPECT_NE(text.find("rain"), std::string::npos);
    // The answer alone, as a model would have said it.
    const size_t mark =
        text.rfind(tool_syntax(*notation).begins.empty() ? "{\"name\": \"weather\", \"parameters\""
                                                         : tool_syntax(*notation).begins[0]);
    ASSERT_NE(mark, std::string::npos) << text;
    ToolCallParser parser(*notation);
    ToolCallParser::Output output = parser.push(std::string_view(text).substr(mark));
    ASSERT_EQ(output.calls.size(), 1u) << text.substr(mark);
    EXPECT_EQ(output.calls[0].call, (ToolCall{"weather", "{\"city\":\"Bonn\"}"}));
  }
  EXPECT_EQ(found, expected.size());
}

}  // namespace
}  // namespace minim
