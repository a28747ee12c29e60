#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "serve/openai/responses/store.h"
#include "serve/testing/service_rig.h"

namespace minim::serve {
namespace {

using testing::ClientResponse;
using testing::HttpClient;

constexpr const char* kPath = "/v1/responses";

class ResponsesTest : public testing::ServiceTest {
 protected:
  static OrderedJson request(OrderedJson input, OrderedJson more = OrderedJson::object()) {
    OrderedJson body = {{"model", "tiny"},
                        {"input", std::move(input)},
                        {"max_output_tokens", 12},
                        {"temperature", 0}};
    body.update(more);
    return body;
  }
  static std::string text_of(const OrderedJson& response) {
    std::string text;
    for (const OrderedJson& item : response["output"]) {
      if (item["type"] == "message") text += item["content"][0]["text"].get<std::string>();
    }
    return text;
  }
  OrderedJson get(const std::string& path) {
    const ClientResponse response = connect().get(path);
    EXPECT_EQ(response.status, 200) << response.body;
    return OrderedJson::parse(response.body, nullptr, false);
  }
  // What the official clients read: the name of each event and its data, which must agree.
  std::vector<OrderedJson> events(const OrderedJson& body) {
    const std::vector<OrderedJson> all = read_events(post(kPath, body.dump()));
    for (size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i]["sequence_number"], i);
    return all;
  }
  static std::vector<OrderedJson> read_events(const ClientResponse& response) {
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.header("content-type"), "text/event-stream") << response.body;
    std::vector<OrderedJson> all;
    for (size_t begin = 0; begin < response.body.size();) {
      const size_t end = response.body.find("\n\n", begin);
      const std::string event = response.body.substr(begin, end - begin);
      const size_t line = event.find('\n');
      all.push_back(OrderedJson::parse(event.substr(line + 7)));
      EXPECT_EQ(event.substr(0, line), "event: " + all.back()["type"].get<std::string>());
      begin = end + 2;
    }
    return all;
  }
  static std::vector<std::string> types(const std::vector<OrderedJson>& events) {
    std::vector<std::string> names;
    for (const OrderedJson& event : events) {
      const std::string name = event["type"];
      if (names.empty() || names.back() != name) names.push_back(name);
    }
    return names;
  }
  static OrderedJson weather() {
    return OrderedJson::parse(R"([{"type":"function","name":"weather","parameters":
        {"type":"object","properties":{"city":{"enum":["Rome","Oslo"]}},"required":["city"],
         "additionalProperties":false}}])");
  }
};

TEST_F(ResponsesTest, SayWhatChatCompletionsSay) {
  start();
  const OrderedJson response =
      ask(kPath, request("hello", {{"instructions", "be brief"}, {"metadata", {{"a", "b"}}}}));
  const OrderedJson messages = {{{"role", "system"}, {"content", "be brief"}},
                                {{"role", "user"}, {"content", "hello"}}};
  const OrderedJson completion = ask("/v1/chat/completions", chat("", {{"messages", messages}}));
  EXPECT_EQ(text_of(response), completion["choices"][0]["message"]["content"]);
  EXPECT_EQ(response["object"], "response");
  EXPECT_EQ(response["status"], "incomplete");
  EXPECT_EQ(response["incomplete_details"]["reason"], "max_output_tokens");
  EXPECT_EQ(response["output"][0]["status"], "incomplete");
  EXPECT_EQ(response["instructions"], "be brief");
  EXPECT_EQ(response["metadata"]["a"], "b");
  EXPECT_EQ(response["usage"]["input_tokens"], completion["usage"]["prompt_tokens"]);
  EXPECT_EQ(response["usage"]["output_tokens"], 12);
  EXPECT_EQ(response["text"]["format"]["type"], "text");
  EXPECT_GE(response["minim"]["energy"]["joules"], 0);
  EXPECT_EQ(response["minim"]["energy"]["measured"],
            response["minim"]["energy"]["source"] != "estimate");
  // Kept as it was sent.
  EXPECT_EQ(get(kPath + std::string("/") + response["id"].get<std::string>()), response);
}

TEST_F(ResponsesTest, StreamTypedEvents) {
  start();
  const std::string whole = text_of(ask(kPath, request("hello")));
  const auto all = events(request(
      "hello",
      {{"stream", true}, {"include", {"message.output_text.logprobs"}}, {"top_logprobs", 2}}));
  EXPECT_EQ(
      types(all),
      (std::vector<std::string>{
          "response.created", "response.in_progress", "response.output_item.added",
          "response.content_part.added", "response.output_text.delta", "response.output_text.done",
          "response.content_part.done", "response.output_item.done", "response.incomplete"}));
  std::string text;
  size_t logprobs = 0;
  for (const OrderedJson& event : all) {
    if (event["type"] != "response.output_text.delta") continue;
    text += event["delta"].get<std::string>();
    logprobs += event["logprobs"].size();
    EXPECT_EQ(event["item_id"], all[2]["item"]["id"]);
  }
  EXPECT_EQ(text, whole);
  EXPECT_EQ(logprobs, 12u);
  const OrderedJson& last = all.back()["response"];
  EXPECT_EQ(text_of(last), whole);
  EXPECT_EQ(last["output"][0]["content"][0]["logprobs"].size(), 12u);
  EXPECT_EQ(last["output"][0]["content"][0]["logprobs"][0]["top_logprobs"].size(), 2u);
  EXPECT_EQ(all.front()["response"]["status"], "in_progress");
  EXPECT_EQ(get(kPath + std::string("/") + last["id"].get<std::string>()), last);
}

TEST_F(ResponsesTest, CallTools) {
  start();
  const OrderedJson more = {
      {"tools", weather()}, {"tool_choice", "required"}, {"max_output_tokens", 200}};
  const OrderedJson response = ask(kPath, request("x", more));
  const OrderedJson& call = response["output"][0];
  ASSERT_EQ(call["type"], "function_call") << response.dump(1);
  EXPECT_EQ(response["status"], "completed");
  EXPECT_EQ(call["name"], "weather");
  const OrderedJson arguments = OrderedJson::parse(call["arguments"].get<std::string>());
  EXPECT_TRUE(arguments["city"] == "Rome" || arguments["city"] == "Oslo");
  OrderedJson streamed = more;
  streamed["stream"] = true;
  const auto all = events(request("x", streamed));
  EXPECT_EQ(types(all).at(2), "response.output_item.added");
  EXPECT_EQ(types(all).at(3), "response.function_call_arguments.delta");
  std::string pieces;
  size_t deltas = 0;
  for (const OrderedJson& event : all) {
    if (event["type"] != "response.function_call_arguments.delta") continue;
    pieces += event["delta"].get<std::string>();
    ++deltas;
  }
  EXPECT_EQ(pieces, call["arguments"]);
  EXPECT_GT(deltas, 2u);
  EXPECT_EQ(types(all).at(4), "response.function_call_arguments.done");
  EXPECT_EQ(all.back()["response"]["output"][0]["arguments"], call["arguments"]);

  // The conversation goes on with what the call gave.
  const OrderedJson output = {
      {{"type", "function_call_output"}, {"call_id", call["call_id"]}, {"output", "it rains"}}};
  const OrderedJson next = ask(kPath, request(output, {{"previous_response_id", response["id"]}}));
  EXPECT_GT(next["usage"]["input_tokens"], ask(kPath, request("x"))["usage"]["input_tokens"]);
  const ClientResponse alone = post(kPath, request(output).dump());
  EXPECT_EQ(alone.status, 400);
  EXPECT_EQ(OrderedJson::parse(alone.body)["error"]["param"], "input[0].call_id");
  // Sent whole, it is the same conversation.
  const OrderedJson items = {{{"role", "user"}, {"content", "x"}}, call, output[0]};
  EXPECT_EQ(text_of(ask(kPath, request(items))), text_of(next));
}

TEST_F(ResponsesTest, AreHeldToASchema) {
  start();
  const OrderedJson format = {
      {"type", "json_schema"}, {"name", "n"}, {"schema", {{"enum", {"first", "second"}}}}};
  const OrderedJson response =
      ask(kPath, request("x", {{"text", {{"format", format}}}, {"max_output_tokens", 40}}));
  EXPECT_TRUE(text_of(response) == "\"first\"" || text_of(response) == "\"second\"");
  EXPECT_EQ(response["text"]["format"], format);
}

TEST_F(ResponsesTest, ContinueEachOther) {
  start();
  const OrderedJson first = ask(kPath, request("one", {{"instructions", "not for later"}}));
  const OrderedJson second = ask(kPath, request("two", {{"previous_response_id", first["id"]}}));
  const OrderedJson messages = {{{"role", "user"}, {"content", "one"}},
                                {{"role", "assistant"}, {"content", text_of(first)}},
                                {{"role", "user"}, {"content", "two"}}};
  const OrderedJson completion = ask("/v1/chat/completions", chat("", {{"messages", messages}}));
  EXPECT_EQ(text_of(second), completion["choices"][0]["message"]["content"]);
  EXPECT_EQ(second["previous_response_id"], first["id"]);

  const std::string path = kPath + std::string("/") + first["id"].get<std::string>();
  const OrderedJson deleted = OrderedJson::parse(connect().request("DELETE", path).body);
  EXPECT_EQ(deleted["deleted"], true);
  EXPECT_EQ(connect().get(path).status, 404);
  const ClientResponse refused =
      post(kPath, request("three", {{"previous_response_id", second["id"]}}).dump());
  EXPECT_EQ(refused.status, 400);
  EXPECT_EQ(OrderedJson::parse(refused.body)["error"]["code"], "previous_response_not_found");
  const OrderedJson not_kept = ask(kPath, request("one", {{"store", false}}));
  EXPECT_EQ(connect().get(kPath + std::string("/") + not_kept["id"].get<std::string>()).status,
            404);
}

TEST_F(ResponsesTest, ListTheirInput) {
  start();
  const OrderedJson input = {
      {{"role", "developer"}, {"content", "a"}},
      {{"type", "message"},
       {"role", "user"},
       {"content", {{{"type", "input_text"}, {"text", "b"}}}}},
      {{"role", "assistant"}, {"content", {{{"type", "output_text"}, {"text", "c"}}}}},
      {{"id", "mine"}, {"role", "user"}, {"content", "d"}}};
  const OrderedJson response = ask(kPath, request(input));
  const std::string path =
      kPath + std::string("/") + response["id"].get<std::string>() + "/input_items";
  const OrderedJson page = get(path + "?order=asc&limit=3");
  ASSERT_EQ(page["data"].size(), 3u);
  EXPECT_EQ(page["has_more"], true);
  EXPECT_EQ(page["data"][0]["role"], "developer");
  EXPECT_EQ(page["data"][2]["content"][0]["type"], "output_text");
  const OrderedJson rest = get(path + "?order=asc&after=" + page["last_id"].get<std::string>());
  ASSERT_EQ(rest["data"].size(), 1u);
  EXPECT_EQ(rest["data"][0]["id"], "mine");
  EXPECT_EQ(rest["has_more"], false);
  EXPECT_EQ(get(path)["data"][0]["id"], "mine");  // the newest first
  for (const char* wrong : {"?limit=0", "?limit=x", "?order=up", "?after=nobody"}) {
    EXPECT_EQ(connect().get(path + wrong).status, 400) << wrong;
  }
}

TEST_F(ResponsesTest, GoOnInTheBackground) {
  registry_options_.model.context_tokens = 512;
  start();
  const OrderedJson begun = ask(kPath, request("hello", {{"background", true}}));
  EXPECT_EQ(begun["status"], "in_progress");
  const std::string path = kPath + std::string("/") + begun["id"].get<std::string>();
  ASSERT_TRUE(wait_until([&] { return get(path)["status"] != "in_progress"; }));
  EXPECT_EQ(text_of(get(path)), text_of(ask(kPath, request("hello"))));

  const OrderedJson longer =
      ask(kPath, request("hello", {{"background", true}, {"max_output_tokens", 480}}));
  const std::string other = kPath + std::string("/") + longer["id"].get<std::string>();
  const OrderedJson cancelled = ask(other + "/cancel", OrderedJson::object());
  EXPECT_EQ(cancelled["status"], "cancelled");
  EXPECT_EQ(get(other)["status"], "cancelled");
  EXPECT_TRUE(wait_until([&] { return service_->texts() == 0; }));
  const OrderedJson foreground = ask(kPath, request("hello"));
  EXPECT_EQ(
      connect()
          .post(kPath + std::string("/") + foreground["id"].get<std::string>() + "/cancel", "{}")
          .status,
      400);
  // One that is under way when the server ends.
  ask(kPath, request("hello", {{"background", true}, {"max_output_tokens", 480}}));
  service_.reset();
}

TEST_F(ResponsesTest, AreFoundByTheirHolderOnly) {
  options_.keys.add("mk-ann", {"ann", static_cast<uint8_t>(Scope::kInference)});
  options_.keys.add("mk-ben", {"ben", static_cast<uint8_t>(Scope::kInference)});
  start();
  const ClientResponse response =
      connect().request("POST", kPath, request("a").dump(), {{"x-api-key", "mk-ann"}});
  const OrderedJson answer = OrderedJson::parse(response.body);
  const std::string path = kPath + std::string("/") + answer["id"].get<std::string>();
  EXPECT_EQ(connect().request("GET", path, {}, {{"x-api-key", "mk-ben"}}).status, 404);
  EXPECT_EQ(connect().request("DELETE", path, {}, {{"x-api-key", "mk-ben"}}).status, 404);
  const std::string next = request("a", {{"previous_response_id", answer["id"]}}).dump();
  EXPECT_EQ(connect().request("POST", kPath, next, {{"x-api-key", "mk-ben"}}).status, 400);
  EXPECT_EQ(connect().request("POST", kPath, next, {{"x-api-key", "mk-ann"}}).status, 200);
}

TEST_F(ResponsesTest, RefuseByNameWhatTheyDoNotDo) {
  start();
  const std::vector<std::pair<OrderedJson, std::string>> cases = {
      {{{"conversation", "c"}}, "conversation"},
      {{{"truncation", "auto"}}, "truncation"},
      {{{"reasoning", {{"effort", "low"}}}}, "reasoning.effort"},
      {{{"text", {{"verbosity", "low"}}}}, "text.verbosity"},
      {{{"include", {"reasoning.encrypted_content"}}}, "include[0]"},
      {{{"tools", {{{"type", "web_search"}}}}}, "tools[0].type"},
      {{{"tools", weather()}, {"tool_choice", {{"type", "function"}, {"name", "x"}}}},
       "tool_choice.name"},
      {{{"background", true}, {"store", false}}, "background"},
      {{{"metadata", {{"a", 1}}}}, "metadata.a"},
      {{{"max_tool_calls", 3}}, "max_tool_calls"},
      {{{"n", 2}}, "n"},
      {{{"input", {{{"type", "item_reference"}, {"id", "x"}}}}}, "input[0].type"},
      {{{"input", {{{"role", "user"}, {"content", {{{"type", "input_image"}}}}}}}},
       "input[0].content[0].type"},
      {{{"input", OrderedJson::array()}}, "input"},
  };
  for (const auto& [more, param] : cases) {
    const ClientResponse response = post(kPath, request("a", more).dump());
    EXPECT_EQ(response.status, 400) << more;
    EXPECT_EQ(OrderedJson::parse(response.body)["error"]["param"], param) << response.body;
  }
}

TEST(ResponseStore, ForgetsTheOldestOfAHolderFirst) {
  auto now = std::chrono::steady_clock::time_point();
  ResponseStore store({.count_max = 3, .bytes_max = 20'000, .age_max = std::chrono::seconds(60)},
                      [&] { return now; });
  const auto put = [&](const std::string& holder, const std::string& id, size_t size = 1) {
    store.put(holder, {.id = id, .response = {{"id", id}, {"text", std::string(size, 'a')}}});
  };
  put("ben", "b");
  for (const char* id : {"1", "2", "3", "4"}) put("ann", id);
  EXPECT_FALSE(store.find("ann", "1"));
  EXPECT_TRUE(store.find("ann", "2"));
  EXPECT_TRUE(store.find("ben", "b"));
  EXPECT_FALSE(store.find("ben", "2"));
  put("ann", "large", 4'000);
  EXPECT_TRUE(store.find("ann", "large"));
  put("ann", "larger", 4'500);
  EXPECT_FALSE(store.find("ann", "large"));
  EXPECT_TRUE(store.find("ann", "larger"));
  now += std::chrono::seconds(61);
  EXPECT_FALSE(store.find("ann", "larger"));
  EXPECT_FALSE(store.find("ben", "b"));
  EXPECT_EQ(store.bytes(), 0u);
}

// Whoever asked for it comes for it while the server ends, and nothing else is begun.
TEST_F(ResponsesTest, InTheBackgroundAreFinishedBeforeTheEnd) {
  start();
  const OrderedJson begun =
      ask(kPath, request("hello", {{"background", true}, {"max_output_tokens", 300}}));
  const std::string path = std::string(kPath) + "/" + begun["id"].get<std::string>();
  std::atomic<bool> drained{false};
  std::thread drain([&] {
    EXPECT_TRUE(service_->drain(std::chrono::seconds(60)));
    drained = true;
  });
  EXPECT_TRUE(wait_until([&] { return post(kPath, request("more").dump()).status == 503; }));
  OrderedJson last;
  EXPECT_TRUE(wait_until([&] {
    last = OrderedJson::parse(connect().get(path).body, nullptr, false);
    return last["status"] != "in_progress";
  }));
  EXPECT_EQ(last["status"], "incomplete");
  EXPECT_EQ(last["usage"]["output_tokens"], 300);
  drain.join();
  EXPECT_TRUE(drained);
}
TEST_F(ResponsesTest, InTheBackgroundAreStreamedAgain) {
  start();
  const OrderedJson background = {{"background", true}, {"stream", true}};
  const auto all = events(request("hello", background));
  const OrderedJson& last = all.back()["response"];
  EXPECT_EQ(last["status"], "incomplete");
  EXPECT_EQ(text_of(last), text_of(ask(kPath, request("hello"))));
  const std::string path = std::string(kPath) + "/" + last["id"].get<std::string>();
  EXPECT_EQ(get(path), last);
  EXPECT_EQ(read_events(connect().get(path + "?stream=true")), all);
  const auto rest = read_events(connect().get(path + "?stream=true&starting_after=3"));
  EXPECT_EQ(rest, std::vector(all.begin() + 4, all.end()));
  const std::string end = std::to_string(all.size() - 1);
  EXPECT_TRUE(read_events(connect().get(path + "?stream=true&starting_after=" + end)).empty());

  for (const char* query : {"?stream=1", "?starting_after=3", "?stream=true&starting_after=-1",
                            "?stream=true&starting_after=99999999999"}) {
    EXPECT_EQ(connect().get(path + query).status, 400) << query;
  }
  const OrderedJson foreground = ask(kPath, request("hello"));
  const std::string other = std::string(kPath) + "/" + foreground["id"].get<std::string>();
  EXPECT_EQ(connect().get(other + "?stream=true").status, 400);
}

TEST_F(ResponsesTest, InTheBackgroundGoOnWithoutTheirClient) {
  registry_options_.model.context_tokens = 512;
  start();
  const std::string body =
      request("hello", {{"background", true}, {"stream", true}, {"max_output_tokens", 400}}).dump();
  // The path of the response that this client begins, which has read no more than that.
  const auto begin = [&](HttpClient& client) {
    client.send(HttpClient::format("POST", kPath, body));
    ClientResponse head;
    EXPECT_TRUE(client.read_head(head));
    const std::string first = client.read_chunk().value_or("");
    const size_t id = std::min(first.find("resp_"), first.size());
    return std::string(kPath) + "/" + first.substr(id, first.find('"', id) - id);
  };
  std::string path;
  {
    HttpClient leaves = connect();
    path = begin(leaves);
  }
  const auto all = read_events(connect().get(path + "?stream=true"));
  ASSERT_FALSE(all.empty());
  EXPECT_EQ(all.back()["response"]["usage"]["output_tokens"], 400);
  EXPECT_EQ(get(path), all.back()["response"]);

  // The stream of one that is cancelled ends.
  HttpClient stays = connect();
  path = begin(stays);
  EXPECT_EQ(connect().post(path + "/cancel", "{}").status, 200);
  while (const auto chunk = stays.read_chunk()) {
    if (chunk->empty()) break;
  }
  const auto rest = read_events(connect().get(path + "?stream=true"));
  EXPECT_FALSE(rest.empty());
  // And of one that is under way when the server ends.
  begin(stays);
  service_.reset();
}

TEST(ResponseEvents, TheNewestAreKept) {
  ResponseEvents events(10);
  for (int i = 0; i < 5; ++i) events.append("abcd");
  EXPECT_EQ(events.count(), 5);
  EXPECT_EQ(events.bytes(), 8u);
  EXPECT_FALSE(events.has(2));
  EXPECT_TRUE(events.has(3));
  EXPECT_TRUE(events.has(7)) << "still to come";
}

}  // namespace
}  // namespace minim::serve
