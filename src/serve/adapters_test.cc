// Adapters by name: other answers from the same weights.
#include <gtest/gtest.h>

#include <string>

#include "base/error.h"
#include "serve/testing/service_rig.h"

namespace minim::serve {
namespace {

class ServedAdaptersTest : public testing::ServiceTest {
 protected:
  std::string said_by(const std::string& model, OrderedJson more = OrderedJson::object()) {
    more["model"] = model;
    const OrderedJson reply = ask("/v1/chat/completions", chat(std::string(60, 'q'), more));
    EXPECT_EQ(reply["model"], model);
    return reply["choices"][0]["message"]["content"];
  }
};

TEST_F(ServedAdaptersTest, ANameAnswersWithItsAdapters) {
  adapters_ = {{"topic", {4.0f}}, {"twice", {2.0f, 2.0f}}, {"none", {0.0f}}};
  start();
  const std::string base = said_by("tiny");
  const std::string topic = said_by("tiny:topic");
  EXPECT_NE(topic, base);
  EXPECT_EQ(said_by("tiny:topic"), topic);
  EXPECT_EQ(said_by("tiny:none"), base);
  // Again, now that the prefixes of each are known.
  EXPECT_EQ(said_by("tiny"), base);
  EXPECT_NE(said_by("tiny:twice"), base);
  EXPECT_EQ(registry_->find("tiny:topic")->model().weight_bytes(),
            registry_->find("tiny")->model().weight_bytes());
  EXPECT_EQ(&registry_->find("tiny:topic")->model(), &registry_->find("tiny")->model());
  const OrderedJson anthropic =
      ask("/v1/messages", {{"model", "tiny:topic"},
                           {"max_tokens", 3},
                           {"messages", {{{"role", "user"}, {"content", "a"}}}}});
  EXPECT_EQ(anthropic["model"], "tiny:topic");
}

TEST_F(ServedAdaptersTest, AreListed) {
  adapters_ = {{"topic", {0.5f}}};
  start();
  const OrderedJson list = OrderedJson::parse(connect().get("/v1/models").body)["data"];
  ASSERT_EQ(list.size(), 3u);
  EXPECT_EQ(list[1]["id"], "tiny:topic");
  EXPECT_EQ(list[1]["minim"]["base_model"], "tiny");
  EXPECT_EQ(list[1]["minim"]["adapters"],
            OrderedJson::parse(R"([{"file":"topic.lora.gguf","weight":0.5}])"));
  EXPECT_EQ(OrderedJson::parse(connect().get("/v1/models/tiny:topic").body), list[1]);
  const OrderedJson tags = OrderedJson::parse(connect().get("/api/tags").body)["models"];
  EXPECT_EQ(tags[1]["name"], "tiny:topic");
  EXPECT_EQ(tags[1]["details"]["parent_model"], "tiny");
  const OrderedJson shown = ask("/api/show", {{"model", "tiny:topic"}});
  EXPECT_EQ(shown["details"]["parent_model"], "tiny");
}

TEST_F(ServedAdaptersTest, WhatCannotBeIsRefused) {
  adapters_ = {{"topic", {0.5f}}};
  start();
  EXPECT_EQ(post("/v1/chat/completions", chat("a", {{"model", "tiny:other"}}).dump()).status, 404);
  EXPECT_EQ(post("/v1/chat/completions", chat("a", {{"model", "bare:topic"}}).dump()).status, 404);
  const testing::ClientResponse refused =
      post("/v1/embeddings", R"({"model":"tiny:topic","input":"a"})");
  EXPECT_EQ(refused.status, 400);
  EXPECT_EQ(OrderedJson::parse(refused.body)["error"]["param"], "model");
  ModelSource twice{.id = "a", .path = folder_.path() / "tiny.gguf"};
  twice.adapters["b"] = {{folder_.path() / "nothing", 1.0f}};
  EXPECT_THROW(ModelRegistry(*context_, {twice}), Error);
  twice.adapters["b"] = {{folder_.path() / "topic.lora.gguf", 1.0f}};
  EXPECT_NO_THROW(ModelRegistry(*context_, {twice}));
  EXPECT_THROW(ModelRegistry(*context_, {twice, {.id = "a:b", .path = twice.path}}), Error);
}

// A request keeps the weights that its adapters are beside.
TEST_F(ServedAdaptersTest, KeepTheirModelLoaded) {
  adapters_ = {{"topic", {0.5f}}};
  registry_options_.weight_bytes_max = 600'000;  // one of the two
  start();
  auto held = registry_->load("tiny:topic");
  EXPECT_EQ(post("/v1/completions", R"({"model":"bare","prompt":"a"})").status, 503);
  held.reset();
  EXPECT_EQ(post("/v1/completions", R"({"model":"bare","prompt":"a"})").status, 200);
  EXPECT_EQ(registry_->find("tiny:topic"), nullptr);
}

}  // namespace
}  // namespace minim::serve
