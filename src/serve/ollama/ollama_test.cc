#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "serve/testing/service_rig.h"

namespace minim::serve {
namespace {

using testing::ClientResponse;

class OllamaTest : public testing::ServiceTest {
 protected:
  void SetUp() override { start(); }

  static OrderedJson request(OrderedJson more) {
    OrderedJson all = {{"model", "tiny:latest"},
                       {"options", {{"temperature", 0}, {"num_predict", 12}}}};
    all.update(more);
    return all;
  }
  static OrderedJson conversation(std::string_view content) {
    return {{{"role", "user"}, {"content", content}}};
  }
  std::vector<OrderedJson> lines(std::string_view path, const OrderedJson& body) {
    const ClientResponse response = post(path, body.dump());
    EXPECT_EQ(response.header("content-type"), "application/x-ndjson") << response.body;
    std::vector<OrderedJson> all;
    for (size_t begin = 0; begin < response.body.size();) {
      const size_t end = response.body.find('\n', begin);
      all.push_back(OrderedJson::parse(response.body.substr(begin, end - begin)));
      begin = end + 1;
    }
    return all;
  }
};

TEST_F(OllamaTest, ChatsAsTheOtherDialectDoes) {
  const OrderedJson other = ask("/v1/chat/completions", chat("hello"));
  const std::string text = other["choices"][0]["message"]["content"];
  const OrderedJson whole =
      ask("/api/chat", request({{"messages", conversation("hello")}, {"stream", false}}));
  EXPECT_EQ(whole["message"]["content"], text);
  EXPECT_EQ(whole["done"], true);
  EXPECT_EQ(whole["done_reason"], "length");
  EXPECT_EQ(whole["eval_count"], 12);
  EXPECT_EQ(whole["prompt_eval_count"], other["usage"]["prompt_tokens"]);
  EXPECT_GT(whole["eval_duration"], 0);

  std::string streamed;
  const auto all = lines("/api/chat", request({{"messages", conversation("hello")}}));
  for (const OrderedJson& line : all) streamed += line["message"]["content"];
  EXPECT_EQ(streamed, text);
  EXPECT_EQ(all.front()["done"], false);
  EXPECT_EQ(all.back()["done"], true);
}

TEST_F(OllamaTest, GeneratesWithTheTemplateOrWithout) {
  const OrderedJson chatted =
      ask("/api/chat", request({{"messages", conversation("once")}, {"stream", false}}));
  OrderedJson body = request({{"prompt", "once"}, {"stream", false}});
  EXPECT_EQ(ask("/api/generate", body)["response"], chatted["message"]["content"]);
  body["raw"] = true;
  const OrderedJson other =
      ask("/v1/completions",
          {{"model", "tiny"}, {"prompt", "once"}, {"max_tokens", 12}, {"temperature", 0}});
  EXPECT_EQ(ask("/api/generate", body)["response"], other["choices"][0]["text"]);
  body = request({{"prompt", "once"}, {"model", "bare"}, {"stream", false}});
  EXPECT_EQ(ask("/api/generate", body)["eval_count"], 12);
}

TEST_F(OllamaTest, AnswersAreHeldToAFormat) {
  const OrderedJson schema = {{"type", "object"},
                              {"properties", {{"yes", {{"type", "boolean"}}}}},
                              {"required", {"yes"}},
                              {"additionalProperties", false}};
  OrderedJson body =
      request({{"messages", conversation("x")}, {"stream", false}, {"format", schema}});
  body["options"]["num_predict"] = 100;
  const std::string text = ask("/api/chat", body)["message"]["content"];
  EXPECT_TRUE(OrderedJson::parse(text)["yes"].is_boolean()) << text;
}

TEST_F(OllamaTest, TellsOfModels) {
  const OrderedJson tags = OrderedJson::parse(connect().get("/api/tags").body);
  ASSERT_EQ(tags["models"].size(), 2u);
  EXPECT_EQ(tags["models"][0]["name"], "tiny");
  EXPECT_TRUE(OrderedJson::parse(connect().get("/api/ps").body)["models"].empty());
  const OrderedJson about = ask("/api/show", {{"model", "tiny"}});
  EXPECT_EQ(about["model_info"]["llama.context_length"], 512);
  EXPECT_EQ(about["details"]["family"], "llama");
  const OrderedJson loaded = OrderedJson::parse(connect().get("/api/ps").body);
  ASSERT_EQ(loaded["models"].size(), 1u);
  EXPECT_EQ(loaded["models"][0]["context_length"], 512);
  EXPECT_TRUE(OrderedJson::parse(connect().get("/api/version").body)["version"].is_string());
}

TEST_F(OllamaTest, EmbedsAsTheOtherDialectDoes) {
  const OrderedJson other = ask("/v1/embeddings", {{"model", "tiny"}, {"input", {"a", "b"}}});
  const OrderedJson own = ask("/api/embed", {{"model", "tiny"}, {"input", {"a", "b"}}});
  ASSERT_EQ(own["embeddings"].size(), 2u);
  EXPECT_EQ(own["embeddings"][1].get<std::vector<float>>(),
            other["data"][1]["embedding"].get<std::vector<float>>());
}

TEST_F(OllamaTest, RefusesByName) {
  const OrderedJson base = {{"messages", conversation("a")}, {"stream", false}};
  for (const auto& [name, value] :
       std::vector<std::pair<const char*, OrderedJson>>{{"options", {{"temperature", -1}}},
                                                        {"options", {{"unheard_of", 1}}},
                                                        {"options", {{"num_ctx", 100'000}}},
                                                        {"format", 7},
                                                        {"stream", "yes"},
                                                        {"messages", OrderedJson::array()},
                                                        {"think", true},
                                                        {"unheard_of", 1}}) {
    OrderedJson body = request(base);
    body[name] = value;
    const ClientResponse response = post("/api/chat", body.dump());
    EXPECT_EQ(response.status, 400) << name << response.body;
    const OrderedJson reply = OrderedJson::parse(response.body, nullptr, false);
    EXPECT_NE(reply["error"].get<std::string>().find(name), std::string::npos) << response.body;
  }
  EXPECT_EQ(post("/api/chat", R"({"model":"other"})").status, 404);

  // An answer is of the format, or calls tools: neither goes without a word.
  OrderedJson both = request(base);
  both["format"] = "json";
  both["tools"] = {{{"type", "function"},
                    {"function", {{"name", "look"}, {"parameters", {{"type", "object"}}}}}}};
  const ClientResponse response = post("/api/chat", both.dump());
  EXPECT_EQ(response.status, 400) << response.body;
  EXPECT_NE(response.body.find("'format' cannot be combined with tools"), std::string::npos)
      << response.body;
}

}  // namespace
}  // namespace minim::serve
