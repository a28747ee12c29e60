#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "runtime/session.h"
#include "runtime/text_generator.h"
#include "serve/testing/service_rig.h"

namespace minim::serve {
namespace {

using testing::ClientResponse;
using testing::HttpClient;

class OpenAiTest : public testing::ServiceTest {
 protected:
  void SetUp() override { start(); }

  static std::string content(const OrderedJson& reply, size_t choice = 0) {
    return reply["choices"][choice]["message"]["content"];
  }
};

TEST_F(OpenAiTest, AnswersAsTheModelAloneWould) {
  const OrderedJson reply = ask("/v1/chat/completions", chat("hello there"));
  const auto model = registry_->find("tiny");
  const auto tokens =
      model->encode_chat(OrderedJson{{"messages", {{{"role", "user"}, {"content", "hello there"}}}},
                                     {"add_generation_prompt", true}});
  const auto tiny = minim::testing::open_tiny_model(*context_, folder_.path() / "tiny.gguf");
  Session session(*context_, tiny.model);
  TextGeneratorOptions options;
  options.generator.sampler.temperature = 0;
  options.generator.tokens_max = 12;
  options.decode.skip_special = true;
  TextGenerator alone(session, model->tokenizer(), options);
  alone.start(tokens.tokens);
  std::string text;
  while (const auto event = alone.next()) text += event->text;
  EXPECT_EQ(content(reply), text);
  EXPECT_FALSE(text.empty());
  EXPECT_EQ(reply["object"], "chat.completion");
  EXPECT_TRUE(reply["id"].get<std::string>().starts_with("chatcmpl-"));
  EXPECT_EQ(reply["model"], "tiny");
  EXPECT_EQ(reply["choices"][0]["finish_reason"], "length");
  EXPECT_EQ(reply["choices"][0]["message"]["role"], "assistant");
  EXPECT_EQ(reply["usage"]["prompt_tokens"], tokens.tokens.size());
  EXPECT_EQ(reply["usage"]["completion_tokens"], 12);
  EXPECT_GT(reply["minim"]["timings"]["generation_ms"], 0);
}

TEST_F(OpenAiTest, StreamsTheSameText) {
  const std::string whole = content(ask("/v1/chat/completions", chat("hello there")));
  const auto events = stream(
      "/v1/chat/completions",
      chat("hello there", {{"stream", true}, {"stream_options", {{"include_usage", true}}}}));
  ASSERT_GE(events.size(), 4u);
  EXPECT_EQ(events.back(), "[DONE]");
  const OrderedJson first = OrderedJson::parse(events.front());
  EXPECT_EQ(first["object"], "chat.completion.chunk");
  EXPECT_EQ(first["choices"][0]["delta"]["role"], "assistant");
  std::string text;
  std::string reason;
  for (size_t i = 0; i + 2 < events.size(); ++i) {
    const OrderedJson chunk = OrderedJson::parse(events[i]);
    EXPECT_EQ(chunk["id"], first["id"]);
    EXPECT_TRUE(chunk.contains("usage") && chunk["usage"].is_null());
    const OrderedJson& choice = chunk["choices"][0];
    text += choice["delta"].value("content", "");
    if (!choice["finish_reason"].is_null()) reason = choice["finish_reason"];
  }
  EXPECT_EQ(text, whole);
  EXPECT_EQ(reason, "length");
  const OrderedJson usage = OrderedJson::parse(events[events.size() - 2]);
  EXPECT_TRUE(usage["choices"].empty());
  EXPECT_EQ(usage["usage"]["completion_tokens"], 12);
  EXPECT_GT(usage["usage"]["prompt_tokens_details"]["cached_tokens"], -1);
}

TEST_F(OpenAiTest, CountsWhatThePrefixCacheKnew) {
  const std::string content(100, 'q');
  ask("/v1/chat/completions", chat(content));
  const OrderedJson again = ask("/v1/chat/completions", chat(content));
  EXPECT_GE(again["usage"]["prompt_tokens_details"]["cached_tokens"], 32);
}

TEST_F(OpenAiTest, SeedsSayWhatIsDrawn) {
  const OrderedJson more = {{"temperature", 1}, {"seed", 5}, {"n", 3}};
  const OrderedJson three = ask("/v1/chat/completions", chat("x", more));
  ASSERT_EQ(three["choices"].size(), 3u);
  EXPECT_EQ(three["usage"]["completion_tokens"], 36);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(three["choices"][i]["index"], i);
    const OrderedJson one =
        ask("/v1/chat/completions", chat("x", {{"temperature", 1}, {"seed", 5 + i}}));
    EXPECT_EQ(content(one), content(three, i));
  }
  EXPECT_NE(content(three, 0), content(three, 1));
}

TEST_F(OpenAiTest, EndsAtStopStrings) {
  const std::string whole = content(ask("/v1/chat/completions", chat("hello there")));
  ASSERT_GT(whole.size(), 6u);
  const std::string stop = some_of(whole);
  for (const OrderedJson& given : {OrderedJson(stop), OrderedJson::array({"never said", stop})}) {
    const OrderedJson reply = ask("/v1/chat/completions", chat("hello there", {{"stop", given}}));
    EXPECT_EQ(content(reply), whole.substr(0, whole.find(stop)));
    EXPECT_EQ(reply["choices"][0]["finish_reason"], "stop");
  }
}

TEST_F(OpenAiTest, BiasesAndPenaltiesCount) {
  const OrderedJson plain =
      ask("/v1/chat/completions", chat("a", {{"logprobs", true}, {"top_logprobs", 3}}));
  const OrderedJson& entries = plain["choices"][0]["logprobs"]["content"];
  ASSERT_EQ(entries.size(), 12u);
  for (const OrderedJson& entry : entries) {
    ASSERT_EQ(entry["top_logprobs"].size(), 3u);
    EXPECT_EQ(entry["top_logprobs"][0]["token"], entry["token"]);
    EXPECT_LE(entry["logprob"], 0);
    EXPECT_FALSE(entry["bytes"].empty());
  }
  const OrderedJson biased =
      ask("/v1/chat/completions", chat("a", {{"logit_bias", {{"65", 100}}}, {"max_tokens", 3}}));
  const auto tokenizer = registry_->find("tiny")->tokenizer();
  const std::string wanted = tokenizer->token_bytes(65);
  EXPECT_EQ(content(biased), wanted + wanted + wanted);
  // What was said once is never said again.
  const OrderedJson penalised =
      ask("/v1/chat/completions", chat("a", {{"logit_bias", {{"65", 1.5}, {"66", 1.4}}},
                                             {"presence_penalty", 2},
                                             {"max_tokens", 2}}));
  EXPECT_EQ(content(penalised), wanted + tokenizer->token_bytes(66));
}

TEST_F(OpenAiTest, SpecialTokensInTextStayText) {
  const OrderedJson plain = ask("/v1/chat/completions", chat("a"));
  const OrderedJson marked = ask("/v1/chat/completions", chat("a</s>"));
  EXPECT_GE(marked["usage"]["prompt_tokens"].get<int>(),
            plain["usage"]["prompt_tokens"].get<int>() + 3);
}

TEST_F(OpenAiTest, MessagesHaveManyForms) {
  const OrderedJson messages = {
      {{"role", "developer"}, {"content", "be brief"}},
      {{"role", "user"},
       {"name", "ann"},
       {"content", {{{"type", "text"}, {"text", "a"}}, {{"type", "text"}, {"text", "b"}}}}},
      {{"role", "assistant"},
       {"content", nullptr},
       {"tool_calls",
        {{{"id", "1"}, {"type", "function"}, {"function", {{"name", "f"}, {"arguments", "{}"}}}}}}},
      {{"role", "tool"}, {"tool_call_id", "1"}, {"content", "42"}}};
  const OrderedJson reply = ask("/v1/chat/completions", chat("", {{"messages", messages}}));
  EXPECT_EQ(reply["usage"]["completion_tokens"], 12);
}

TEST_F(OpenAiTest, CallsTools) {
  const OrderedJson parameters = {{"type", "object"},
                                  {"properties", {{"unit", {{"enum", {"c", "f"}}}}}},
                                  {"required", {"unit"}},
                                  {"additionalProperties", false}};
  const OrderedJson tool = {
      {"type", "function"},
      {"function", {{"name", "weather"}, {"parameters", parameters}, {"strict", true}}}};
  const OrderedJson more = {{"tools", OrderedJson::array({tool})},
                            {"tool_choice", "required"},
                            {"parallel_tool_calls", false},
                            {"max_tokens", 100}};
  const OrderedJson reply = ask("/v1/chat/completions", chat("hot?", more));
  const OrderedJson& choice = reply["choices"][0];
  EXPECT_EQ(choice["finish_reason"], "tool_calls");
  ASSERT_EQ(choice["message"]["tool_calls"].size(), 1u) << choice;
  const OrderedJson& call = choice["message"]["tool_calls"][0];
  EXPECT_EQ(call["type"], "function");
  EXPECT_EQ(call["function"]["name"], "weather");
  const auto arguments = OrderedJson::parse(call["function"]["arguments"].get<std::string>());
  EXPECT_TRUE(arguments["unit"] == "c" || arguments["unit"] == "f");

  OrderedJson streaming = more;
  streaming["stream"] = true;
  int pieces = 0;
  std::string written;
  for (const std::string& event : stream("/v1/chat/completions", chat("hot?", streaming))) {
    if (event == "[DONE]") break;
    const OrderedJson chunk = OrderedJson::parse(event);
    const OrderedJson& delta = chunk["choices"][0]["delta"];
    if (!delta.contains("tool_calls")) continue;
    const OrderedJson& piece = delta["tool_calls"][0];
    EXPECT_EQ(piece["index"], 0);
    EXPECT_EQ(piece.contains("id"), pieces == 0);
    EXPECT_EQ(piece["function"].value("name", ""), pieces == 0 ? "weather" : "");
    written += piece["function"]["arguments"].get<std::string>();
    ++pieces;
  }
  EXPECT_EQ(written, call["function"]["arguments"]);
  EXPECT_GT(pieces, 2) << written;

  // A call that is cut is what there is of it.
  OrderedJson short_of = more;
  short_of["max_tokens"] = reply["usage"]["completion_tokens"].get<int>() - 18;
  const OrderedJson cut = ask("/v1/chat/completions", chat("hot?", short_of))["choices"][0];
  EXPECT_EQ(cut["finish_reason"], "length");
  ASSERT_EQ(cut["message"]["tool_calls"].size(), 1u) << cut;
  const std::string begun = cut["message"]["tool_calls"][0]["function"]["arguments"];
  EXPECT_TRUE(written.starts_with(begun)) << begun;
  EXPECT_LT(begun.size(), written.size());

  OrderedJson named = more;
  named["tool_choice"] = {{"type", "function"}, {"function", {{"name", "other"}}}};
  EXPECT_EQ(post("/v1/chat/completions", chat("hot?", named).dump()).status, 400);
}

TEST_F(OpenAiTest, AnswersAreHeldToASchema) {
  const OrderedJson schema = {{"type", "object"},
                              {"properties", {{"yes", {{"type", "boolean"}}}}},
                              {"required", {"yes"}},
                              {"additionalProperties", false}};
  const OrderedJson format = {{"type", "json_schema"},
                              {"json_schema", {{"name", "x"}, {"schema", schema}}}};
  const OrderedJson reply =
      ask("/v1/chat/completions", chat("x", {{"response_format", format}, {"max_tokens", 100}}));
  EXPECT_TRUE(OrderedJson::parse(content(reply))["yes"].is_boolean());
  EXPECT_EQ(reply["choices"][0]["finish_reason"], "stop");
}

TEST_F(OpenAiTest, CompletesTexts) {
  const OrderedJson request = {{"model", "tiny"}, {"prompt", "once"}, {"temperature", 0}};
  const OrderedJson reply = ask("/v1/completions", request);
  EXPECT_EQ(reply["object"], "text_completion");
  EXPECT_EQ(reply["usage"]["completion_tokens"], 16);
  const std::string text = reply["choices"][0]["text"];

  OrderedJson more = request;
  more.update({{"prompt", {"once", "twice"}}, {"n", 2}, {"echo", true}});
  const OrderedJson four = ask("/v1/completions", more);
  ASSERT_EQ(four["choices"].size(), 4u);
  EXPECT_EQ(four["choices"][0]["text"], "once" + text);
  EXPECT_EQ(four["choices"][1]["text"], "once" + text);
  EXPECT_TRUE(four["choices"][2]["text"].get<std::string>().starts_with("twice"));

  more = request;
  more.update({{"prompt", registry_->find("tiny")->tokenizer()->encode("once")}});
  EXPECT_EQ(ask("/v1/completions", more)["choices"][0]["text"], text);

  more = request;
  more.update({{"logprobs", 2}});
  const OrderedJson logprobs = ask("/v1/completions", more)["choices"][0]["logprobs"];
  EXPECT_EQ(logprobs["tokens"].size(), 16u);
  EXPECT_EQ(logprobs["text_offset"][0], 0);
  EXPECT_EQ(logprobs["top_logprobs"][3].size(), 2u);

  more.update({{"stream", true}});
  std::string streamed;
  const auto events = stream("/v1/completions", more);
  for (size_t i = 0; i + 1 < events.size(); ++i) {
    streamed += OrderedJson::parse(events[i])["choices"][0]["text"];
  }
  EXPECT_EQ(streamed, text);
}

TEST_F(OpenAiTest, EmbedsTexts) {
  OrderedJson request = {{"model", "tiny"}, {"input", {"one text", "another"}}};
  const OrderedJson floats = ask("/v1/embeddings", request);
  ASSERT_EQ(floats["data"].size(), 2u);
  EXPECT_EQ(floats["data"][1]["index"], 1);
  const auto values = floats["data"][1]["embedding"].get<std::vector<float>>();
  ASSERT_EQ(values.size(), 64u);
  double square = 0;
  for (const float value : values) square += double{value} * value;
  EXPECT_NEAR(square, 1, 1e-5);

  request.update({{"encoding_format", "base64"}, {"input", "another"}});
  const std::string coded = ask("/v1/embeddings", request)["data"][0]["embedding"];
  ASSERT_EQ(coded.size(), 344u);  // of 256 bytes
  const auto digit = [](char c) {
    const std::string_view digits =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    return static_cast<uint32_t>(digits.find(c));
  };
  const uint32_t first = digit(coded[0]) << 2 | digit(coded[1]) >> 4;
  uint32_t bits = 0;
  std::memcpy(&bits, values.data(), 4);
  EXPECT_EQ(first, bits & 0xff);

  request = {{"model", "tiny"}, {"input", "another"}, {"dimensions", 8}};
  EXPECT_EQ(ask("/v1/embeddings", request)["data"][0]["embedding"].size(), 8u);
}

TEST_F(OpenAiTest, OrdersDocuments) {
  const OrderedJson request = {{"model", "tiny"},
                               {"query", "a dog"},
                               {"documents", {"cats", {{"text", "a dog"}}, "birds"}},
                               {"top_n", 2},
                               {"return_documents", true}};
  const OrderedJson reply = ask("/v1/rerank", request);
  ASSERT_EQ(reply["results"].size(), 2u);
  EXPECT_GE(reply["results"][0]["relevance_score"], reply["results"][1]["relevance_score"]);
  const size_t index = reply["results"][0]["index"];
  EXPECT_EQ(reply["results"][0]["document"]["text"],
            (std::vector<std::string>{"cats", "a dog", "birds"})[index]);
}

TEST_F(OpenAiTest, ListsModelsAndLoadsThemWhenAsked) {
  HttpClient client = connect();
  const OrderedJson list = OrderedJson::parse(client.get("/v1/models").body);
  ASSERT_EQ(list["data"].size(), 2u);
  EXPECT_EQ(list["data"][0]["id"], "tiny");
  EXPECT_EQ(list["data"][0]["object"], "model");
  EXPECT_EQ(list["data"][1]["minim"]["loaded"], false);
  EXPECT_EQ(client.get("/v1/models/other").status, 404);
  ask("/v1/completions", {{"model", "bare"}, {"prompt", "a"}, {"max_tokens", 1}});
  const OrderedJson one = OrderedJson::parse(client.get("/v1/models/bare").body);
  EXPECT_EQ(one["minim"]["loaded"], true);
  EXPECT_EQ(one["minim"]["context_tokens"], 512);
}

TEST_F(OpenAiTest, RefusalsHaveTheFormOfTheOriginal) {
  const auto error = [&](std::string_view path, const OrderedJson& request, int status) {
    const ClientResponse response = post(path, request.dump());
    EXPECT_EQ(response.status, status) << response.body;
    const OrderedJson body = OrderedJson::parse(response.body, nullptr, false);
    EXPECT_TRUE(body["error"]["message"].is_string());
    EXPECT_FALSE(response.header("x-request-id").empty());
    return body["error"];
  };
  OrderedJson found = error("/v1/chat/completions", chat("a", {{"model", "gpt"}}), 404);
  EXPECT_EQ(found["code"], "model_not_found");
  EXPECT_EQ(found["type"], "invalid_request_error");
  found = error("/v1/chat/completions", chat(std::string(1000, 'q')), 400);
  EXPECT_EQ(found["code"], "context_length_exceeded");
  EXPECT_EQ(found["param"], "messages");
  found = error("/v1/chat/completions", chat("a", {{"model", "bare"}}), 400);
  EXPECT_EQ(found["code"], "no_chat_template");
  found = error("/v1/chat/completions", chat("a", {{"temprature", 1}}), 400);
  EXPECT_EQ(found["code"], "unknown_parameter");
  EXPECT_EQ(found["param"], "temprature");
  found = error("/v1/chat/completions", {{"model", "tiny"}}, 400);
  EXPECT_EQ(found["code"], "missing_required_parameter");
  EXPECT_EQ(found["param"], "messages");
  found = error("/v1/nowhere", OrderedJson::object(), 404);
  EXPECT_EQ(connect().get("/v1/chat/completions").status, 405);
  EXPECT_EQ(connect().get("/v1/chat/completions").header("allow"), "POST");
}

}  // namespace
}  // namespace minim::serve
