#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "serve/testing/service_rig.h"

namespace minim::serve {
namespace {

using testing::ClientResponse;

class AnthropicTest : public testing::ServiceTest {
 protected:
  void SetUp() override { start(); }

  // Not exact: temperature 0 takes the most probable tokens.
  static OrderedJson message(std::string_view content, OrderedJson more = OrderedJson::object()) {
    OrderedJson request = {{"model", "tiny"},
                           {"max_tokens", 12},
                           {"temperature", 0},
                           {"messages", {{{"role", "user"}, {"content", content}}}}};
    request.update(more);
    return request;
  }

  struct Event {
    std::string name;
    OrderedJson data;
  };
  std::vector<Event> events(const OrderedJson& request) {
    const ClientResponse response = post("/v1/messages", request.dump());
    EXPECT_EQ(response.header("content-type"), "text/event-stream") << response.body;
    std::vector<Event> all;
    for (size_t begin = 0; begin < response.body.size();) {
      const size_t line = response.body.find('\n', begin);
      const size_t end = response.body.find("\n\n", begin);
      all.push_back({response.body.substr(begin + 7, line - begin - 7),
                     OrderedJson::parse(response.body.substr(line + 7, end - line - 7))});
      EXPECT_EQ(all.back().data["type"], all.back().name);
      begin = end + 2;
    }
    return all;
  }
};

TEST_F(AnthropicTest, SaysWhatTheOtherDialectSays) {
  const OrderedJson other = ask("/v1/chat/completions", chat("hello"));
  const OrderedJson reply = ask("/v1/messages", message("hello"));
  EXPECT_EQ(reply["type"], "message");
  EXPECT_EQ(reply["role"], "assistant");
  EXPECT_TRUE(reply["id"].get<std::string>().starts_with("msg_"));
  EXPECT_EQ(reply["content"][0]["type"], "text");
  EXPECT_EQ(reply["content"][0]["text"], other["choices"][0]["message"]["content"]);
  EXPECT_EQ(reply["stop_reason"], "max_tokens");
  const OrderedJson& usage = reply["usage"];
  EXPECT_EQ(usage["output_tokens"], 12);
  EXPECT_EQ(usage["input_tokens"].get<int>() + usage["cache_read_input_tokens"].get<int>(),
            other["usage"]["prompt_tokens"]);
}

TEST_F(AnthropicTest, StreamsTheSameText) {
  const OrderedJson whole = ask("/v1/messages", message("hello"));
  const std::vector<Event> all = events(message("hello", {{"stream", true}}));
  ASSERT_GE(all.size(), 6u);
  EXPECT_EQ(all[0].name, "message_start");
  EXPECT_TRUE(all[0].data["message"]["content"].empty());
  EXPECT_GT(all[0].data["message"]["usage"]["input_tokens"], 0);
  EXPECT_EQ(all[1].name, "content_block_start");
  EXPECT_EQ(all[1].data["content_block"]["type"], "text");
  std::string text;
  for (const Event& event : all) {
    if (event.name != "content_block_delta") continue;
    EXPECT_EQ(event.data["index"], 0);
    EXPECT_EQ(event.data["delta"]["type"], "text_delta");
    text += event.data["delta"]["text"];
  }
  EXPECT_EQ(text, whole["content"][0]["text"]);
  EXPECT_EQ(all[all.size() - 3].name, "content_block_stop");
  EXPECT_EQ(all[all.size() - 2].name, "message_delta");
  EXPECT_EQ(all[all.size() - 2].data["delta"]["stop_reason"], "max_tokens");
  EXPECT_EQ(all[all.size() - 2].data["usage"]["output_tokens"], 12);
  EXPECT_EQ(all.back().name, "message_stop");
}

TEST_F(AnthropicTest, CallsToolsInPieces) {
  const OrderedJson input_schema = {{"type", "object"},
                                    {"properties", {{"unit", {{"enum", {"c", "f"}}}}}},
                                    {"required", {"unit"}},
                                    {"additionalProperties", false}};
  OrderedJson more = {
      {"tools", OrderedJson::array({{{"name", "weather"}, {"input_schema", input_schema}}})},
      {"tool_choice", {{"type", "any"}, {"disable_parallel_tool_use", true}}},
      {"max_tokens", 100}};
  const OrderedJson whole = ask("/v1/messages", message("hot?", more));
  EXPECT_EQ(whole["stop_reason"], "tool_use");
  ASSERT_EQ(whole["content"].size(), 1u) << whole;
  const OrderedJson& call = whole["content"][0];
  EXPECT_EQ(call["name"], "weather");
  EXPECT_TRUE(call["input"]["unit"] == "c" || call["input"]["unit"] == "f") << call;

  more["stream"] = true;
  std::string written;
  int pieces = 0;
  const std::vector<Event> all = events(message("hot?", more));
  for (const Event& event : all) {
    if (event.name != "content_block_delta") continue;
    EXPECT_EQ(event.data["delta"]["type"], "input_json_delta");
    written += event.data["delta"]["partial_json"];
    ++pieces;
  }
  EXPECT_EQ(OrderedJson::parse(written), call["input"]);
  EXPECT_GT(pieces, 2) << written;
  EXPECT_EQ(all[all.size() - 3].name, "content_block_stop");

  // A call that is cut is what there is of it.
  more["stream"] = false;
  more["max_tokens"] = whole["usage"]["output_tokens"].get<int>() - 18;
  const OrderedJson cut = ask("/v1/messages", message("hot?", more));
  EXPECT_EQ(cut["stop_reason"], "max_tokens");
  ASSERT_EQ(cut["content"].size(), 1u) << cut;
  EXPECT_EQ(cut["content"][0]["type"], "tool_use");
  EXPECT_TRUE(cut["content"][0]["input"].is_object());
}

TEST_F(AnthropicTest, StopSequencesAreTold) {
  const std::string whole = ask("/v1/messages", message("hello"))["content"][0]["text"];
  const std::string stop = some_of(whole);
  const OrderedJson reply =
      ask("/v1/messages", message("hello", {{"stop_sequences", {"never", stop}}}));
  EXPECT_EQ(reply["stop_reason"], "stop_sequence");
  EXPECT_EQ(reply["stop_sequence"], stop);
  EXPECT_EQ(reply["content"][0]["text"], whole.substr(0, whole.find(stop)));
}

TEST_F(AnthropicTest, AnAnswerThatIsBegunGoesOn) {
  const std::string whole = ask("/v1/messages", message("hello"))["content"][0]["text"];
  const OrderedJson begun = {{{"role", "user"}, {"content", "hello"}},
                             {{"role", "assistant"}, {"content", "and so"}}};
  const OrderedJson reply = ask("/v1/messages", message("", {{"messages", begun}}));
  EXPECT_NE(reply["content"][0]["text"], whole);
  EXPECT_FALSE(reply["content"][0]["text"].get<std::string>().starts_with("and so"));
}

TEST_F(AnthropicTest, BlocksAndSystemAreRead) {
  const OrderedJson rich = {
      {"system",
       {{{"type", "text"}, {"text", "be brief"}, {"cache_control", {{"type", "ephemeral"}}}}}},
      {"messages",
       {{{"role", "user"}, {"content", {{{"type", "text"}, {"text", "a"}}}}},
        {{"role", "assistant"},
         {"content",
          {{{"type", "thinking"}, {"thinking", "hm"}, {"signature", "x"}},
           {{"type", "tool_use"}, {"id", "t1"}, {"name", "f"}, {"input", {{"x", 1}}}}}}},
        {{"role", "user"},
         {"content",
          {{{"type", "tool_result"}, {"tool_use_id", "t1"}, {"content", "42"}},
           {{"type", "text"}, {"text", "and?"}}}}}}}};
  OrderedJson request = message("", rich);
  EXPECT_EQ(ask("/v1/messages", request)["usage"]["output_tokens"], 12);
  request.erase("max_tokens");
  request.erase("temperature");
  const int64_t counted = ask("/v1/messages/count_tokens", request)["input_tokens"];
  const OrderedJson usage = ask("/v1/messages", message("", rich))["usage"];
  EXPECT_EQ(usage["input_tokens"].get<int>() + usage["cache_read_input_tokens"].get<int>(),
            counted);
}

TEST_F(AnthropicTest, RefusalsHaveTheFormOfTheOriginal) {
  const auto refused = [&](const OrderedJson& request, int status) {
    const ClientResponse response = post("/v1/messages", request.dump());
    EXPECT_EQ(response.status, status) << response.body;
    const OrderedJson body = OrderedJson::parse(response.body, nullptr, false);
    EXPECT_EQ(body["type"], "error");
    return body["error"];
  };
  OrderedJson error = refused(message("a", {{"max_tokens", nullptr}}), 400);
  EXPECT_EQ(error["type"], "invalid_request_error");
  EXPECT_NE(error["message"].get<std::string>().find("'max_tokens'"), std::string::npos);
  EXPECT_EQ(refused(message("a", {{"model", "other"}}), 404)["type"], "not_found_error");
  const OrderedJson image = {
      {{"type", "image"}, {"source", {{"type", "url"}, {"url", "http://x"}}}}};
  error = refused(message("", {{"messages", {{{"role", "user"}, {"content", image}}}}}), 400);
  EXPECT_NE(error["message"].get<std::string>().find("messages[0].content[0].type"),
            std::string::npos);
  for (const auto& [name, value] :
       std::vector<std::pair<const char*, OrderedJson>>{{"temperature", 2},
                                                        {"top_p", -1},
                                                        {"top_k", "x"},
                                                        {"stream", 1},
                                                        {"system", 7},
                                                        {"stop_sequences", {""}},
                                                        {"tools", 1},
                                                        {"thinking", {{"type", "enabled"}}},
                                                        {"unheard_of", 1}}) {
    error = refused(message("a", {{name, value}}), 400);
    EXPECT_NE(error["message"].get<std::string>().find(name), std::string::npos) << name;
  }
}

}  // namespace
}  // namespace minim::serve
