#include "serve/service.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "serve/data/data_store.h"
#include "serve/routes.h"
#include "serve/testing/service_rig.h"

namespace minim::serve {
namespace {

using namespace std::chrono_literals;
using testing::ClientResponse;
using testing::HttpClient;

class ServiceTest : public testing::ServiceTest {};

TEST_F(ServiceTest, IsWellAndCounts) {
  start();
  EXPECT_EQ(OrderedJson::parse(connect().get("/health").body)["status"], "ok");
  ask("/v1/chat/completions", chat("a"));
  // The last token is told before its step is over.
  EXPECT_TRUE(wait_until([&] {
    return connect().get("/metrics").body.find("minim_jobs_running{model=\"tiny\"} 0\n") !=
           std::string::npos;
  }));
  const ClientResponse metrics = connect().get("/metrics");
  EXPECT_TRUE(metrics.header("content-type").starts_with("text/plain; version=0.0.4"));
  for (const char* line :
       {"minim_requests_total{route=\"/v1/chat/completions\",status=\"200\"} 1\n",
        "minim_generated_tokens_total 12\n", "minim_first_token_seconds_count 1\n",
        "minim_token_gap_seconds_count 11\n", "minim_energy_joules_total{source=\"",
        "minim_build_info{version=\"", "process_start_time_seconds ",
        "minim_jobs_running{model=\"tiny\"} 0\n"}) {
    EXPECT_NE(metrics.body.find(line), std::string::npos) << line << metrics.body;
  }
}

// Every path of the document is served, and every route is in it.
TEST_F(ServiceTest, DescribesWhatItServes) {
  DataStore data(folder_.path() / "data");
  options_.data = &data;
  start();
  const OrderedJson document = OrderedJson::parse(connect().get("/openapi.json").body);
  size_t operations = 0;
  for (const auto& [path, methods] : document["paths"].items()) {
    for (const auto& [method, operation] : methods.items()) {
      ++operations;
      EXPECT_FALSE(operation["summary"].get<std::string>().empty());
      const bool posts = method == "post";
      // Nothing is kept that has the name.
      const bool is_kept = path.find('{') != std::string::npos && path != "/v1/models/{model}";
      std::string asked = path;
      if (const size_t brace = asked.find('{'); brace != std::string::npos) {
        EXPECT_EQ(operation["parameters"][0]["in"], "path");
        asked.replace(brace, asked.find('}') + 1 - brace, "tiny");
      }
      std::string verb = method;
      for (char& c : verb) c = static_cast<char>(c - 'a' + 'A');
      const ClientResponse response = connect().request(verb, asked, posts ? "[]" : "");
      EXPECT_EQ(response.status, is_kept ? 404 : posts ? 400 : 200) << asked << response.body;
      EXPECT_EQ(connect().request("PATCH", asked).status, 405) << asked;
    }
  }
  EXPECT_EQ(operations, routes().size());
  service_.reset();
}

// Tokens that control a conversation are no part of what is said in it.
TEST_F(ServiceTest, ControlTokensAreNoText) {
  start();
  ask("/v1/completions", {{"model", "tiny"}, {"prompt", "a"}, {"max_tokens", 1}});
  const auto tokenizer = registry_->find("tiny")->tokenizer();
  std::string control;
  for (TokenId token = 0; token < tokenizer->size(); ++token) {
    if (tokenizer->is_special(token) && !tokenizer->ends_generation(token)) {
      control = std::to_string(token);
    }
  }
  ASSERT_NE(control, "");
  const OrderedJson biased = {{"logit_bias", {{control, 100}}}, {"max_tokens", 3}};
  const OrderedJson reply = ask("/v1/chat/completions", chat("a", biased));
  EXPECT_EQ(reply["usage"]["completion_tokens"], 3);
  EXPECT_EQ(reply["choices"][0]["message"]["content"], "");
  OrderedJson request = {{"model", "tiny"}, {"prompt", "a"}};
  request.update(biased);
  EXPECT_EQ(ask("/v1/completions", request)["choices"][0]["text"], "");
}

TEST_F(ServiceTest, LogsRequestsWithoutTheirContent) {
  start();
  ask("/v1/chat/completions", chat("a secret of mine"));
  ASSERT_TRUE(wait_until([&] { return log().size() == 1; }));
  EXPECT_EQ(log()[0].find("secret"), std::string::npos);
  const OrderedJson line = OrderedJson::parse(log()[0]);
  EXPECT_EQ(line["route"], "/v1/chat/completions");
  EXPECT_EQ(line["status"], 200);
  EXPECT_EQ(line["complete"], true);
}

TEST_F(ServiceTest, KeysSayWhoMayAskForWhat) {
  options_.keys.add("mk-all", {"all", 7});
  options_.keys.add("mk-metrics", {"metrics", static_cast<uint8_t>(Scope::kMetrics)});
  start();
  const auto status = [&](std::string_view path, std::vector<HttpHeader> headers) {
    return connect().request("GET", path, {}, std::move(headers)).status;
  };
  EXPECT_EQ(status("/health", {}), 200);
  EXPECT_EQ(status("/v1/models", {}), 401);
  EXPECT_EQ(status("/v1/models", {{"Authorization", "Bearer mk-al"}}), 401);
  EXPECT_EQ(status("/v1/models", {{"Authorization", "Bearer mk-all"}}), 200);
  EXPECT_EQ(status("/v1/models", {{"authorization", "bearer mk-all"}}), 200);
  EXPECT_EQ(status("/v1/models", {{"x-api-key", "mk-all"}}), 200);
  EXPECT_EQ(status("/v1/models", {{"x-api-key", "mk-metrics"}}), 403);
  EXPECT_EQ(status("/metrics", {{"x-api-key", "mk-metrics"}}), 200);
  EXPECT_EQ(status("/v1/models", {{"x-api-key", "' OR 1=1 --"}}), 401);
}

// Nobody learns from the prefix cache what the holder of another key has asked.
TEST_F(ServiceTest, KeysShareNoPrefixes) {
  options_.keys.add("mk-ann", {"ann", static_cast<uint8_t>(Scope::kInference)});
  options_.keys.add("mk-ben", {"ben", static_cast<uint8_t>(Scope::kInference)});
  start();
  const auto cached = [&](const char* key) {
    const std::string body = chat(std::string(100, 'q')).dump();
    const ClientResponse response =
        connect().request("POST", "/v1/chat/completions", body, {{"x-api-key", key}});
    EXPECT_EQ(response.status, 200) << response.body;
    const OrderedJson usage = OrderedJson::parse(response.body)["usage"];
    return usage["prompt_tokens_details"]["cached_tokens"].get<int>();
  };
  EXPECT_EQ(cached("mk-ann"), 0);
  EXPECT_EQ(cached("mk-ben"), 0);
  EXPECT_GE(cached("mk-ann"), 32);
}

TEST_F(ServiceTest, WebPagesMayNotAskUnlessTheyAreNamed) {
  options_.origins = {"https://good.example"};
  start();
  const auto get = [&](std::vector<HttpHeader> headers) {
    return connect().request("GET", "/v1/models", {}, std::move(headers));
  };
  EXPECT_EQ(get({{"Origin", "https://evil.example"}}).status, 403);
  EXPECT_EQ(get({{"Host", "evil.example"}}).status, 403);
  EXPECT_EQ(get({{"Host", "127.0.0.1:8080"}}).status, 200);
  EXPECT_EQ(get({{"Host", "[::1]:8080"}}).status, 200);
  const ClientResponse good = get({{"Origin", "https://good.example"}});
  EXPECT_EQ(good.status, 200);
  EXPECT_EQ(good.header("access-control-allow-origin"), "https://good.example");
  const ClientResponse preflight =
      connect().request("OPTIONS", "/v1/chat/completions", {},
                        {{"Origin", "https://good.example"},
                         {"Access-Control-Request-Headers", "content-type,authorization"}});
  EXPECT_EQ(preflight.status, 204);
  EXPECT_EQ(preflight.header("access-control-allow-headers"), "content-type,authorization");
}

// Nothing is left of those who went: no text, no block of keys and values.
TEST_F(ServiceTest, DisconnectsLeaveNothing) {
  registry_options_.model.context_tokens = 512;
  start();
  ask("/v1/chat/completions", chat("a"));
  const auto model = registry_->find("tiny");
  for (int round = 0; round < 40; ++round) {
    HttpClient client = connect();
    const bool streams = round % 4 != 0;
    client.send(
        HttpClient::format("POST", "/v1/chat/completions",
                           chat("go on " + std::to_string(round),
                                {{"stream", streams}, {"max_tokens", 450}, {"n", round % 3 + 1}})
                               .dump()));
    ClientResponse head;
    if (streams) {
      ASSERT_TRUE(client.read_head(head));
      for (int chunk = 0; chunk < 3; ++chunk) EXPECT_TRUE(client.read_chunk().has_value());
    }
  }
  EXPECT_TRUE(wait_until([&] {
    const SchedulerStatistics counts = model->scheduler().statistics();
    return service_->texts() == 0 && counts.jobs_running + counts.jobs_waiting == 0;
  }));
  const SchedulerStatistics counts = model->scheduler().statistics();
  // What the prefix cache keeps is all that is left.
  EXPECT_EQ(counts.blocks_used, counts.prefixes.blocks);
  EXPECT_LT(counts.decode_rows, 40 * 2 * 450 / 2);
  EXPECT_TRUE(wait_until([&] { return service_->counts().connections == 0; }));
  EXPECT_EQ(service_->counts().exchanges, 0);
  // What was computed for them counts.
  const std::string metrics = connect().get("/metrics").body;
  const std::string name = "\nminim_generated_tokens_total ";
  EXPECT_GE(std::stod(metrics.substr(metrics.find(name) + name.size())), 12 + 30);
}

TEST_F(ServiceTest, MoreThanItTakesIsRefusedAtOnce) {
  options_.texts_max = 2;
  start();
  ask("/v1/chat/completions", chat("a"));
  HttpClient busy = connect();
  busy.send(
      HttpClient::format("POST", "/v1/chat/completions",
                         chat("b", {{"n", 2}, {"stream", true}, {"max_tokens", 400}}).dump()));
  ClientResponse head;
  ASSERT_TRUE(busy.read_head(head));
  const ClientResponse refused = post("/v1/chat/completions", chat("c").dump());
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.header("retry-after"), "1");
  busy.close();
  EXPECT_TRUE(wait_until([&] { return service_->texts() == 0; }));
  ask("/v1/chat/completions", chat("c"));
}

TEST_F(ServiceTest, DeadlinesEndRequests) {
  options_.limits.deadline = 1ms;
  start();
  registry_->load("tiny");
  // On a machine that has other work the text may be there before anybody looks at the clock.
  ClientResponse response;
  EXPECT_TRUE(wait_until([&] {
    response = post("/v1/chat/completions", chat("a", {{"max_tokens", 400}, {"n", 8}}).dump());
    return response.status == 504;
  }));
  EXPECT_EQ(response.header("x-should-retry"), "false");
  EXPECT_TRUE(wait_until([&] { return service_->texts() == 0; }));
}

TEST_F(ServiceTest, DrainingFinishesWhatWasBegun) {
  start();
  ask("/v1/chat/completions", chat("a"));
  HttpClient client = connect();
  client.send(HttpClient::format("POST", "/v1/chat/completions",
                                 chat("b", {{"stream", true}, {"max_tokens", 300}}).dump()));
  ClientResponse head;
  ASSERT_TRUE(client.read_head(head));
  std::thread drain([&] { EXPECT_TRUE(service_->drain(60s)); });
  std::string body;
  while (const auto chunk = client.read_chunk()) {
    if (chunk->empty()) break;
    body += *chunk;
  }
  EXPECT_TRUE(body.ends_with("data: [DONE]\n\n"));
  client.close();
  drain.join();
}

TEST_F(ServiceTest, StopsWhileItGenerates) {
  start();
  ask("/v1/chat/completions", chat("a"));
  std::vector<HttpClient> clients;
  for (int i = 0; i < 8; ++i) {
    clients.push_back(connect());
    clients.back().send(HttpClient::format(
        "POST", "/v1/chat/completions", chat("b", {{"stream", true}, {"max_tokens", 450}}).dump()));
  }
  service_.reset();
  registry_.reset();
}

// Many at once, each says what it says alone.
TEST_F(ServiceTest, ClientsSideBySide) {
  start();
  const auto text_of = [&](int i) {
    const OrderedJson reply =
        ask("/v1/chat/completions", chat("client " + std::to_string(i), {{"max_tokens", 40}}));
    return reply["choices"][0]["message"]["content"].get<std::string>();
  };
  std::vector<std::string> alone(8);
  for (int i = 0; i < 8; ++i) alone[static_cast<size_t>(i)] = text_of(i);
  std::vector<std::thread> threads;
  std::atomic<int> different{0};
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      for (int round = 0; round < 3; ++round) {
        if (text_of(i) != alone[static_cast<size_t>(i)]) ++different;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(different, 0);
}

TEST_F(ServiceTest, UnloadsTheModelThatWasNotNeededForLongest) {
  registry_options_.weight_bytes_max = 600'000;  // one of the two
  start();
  ask("/v1/completions", {{"model", "tiny"}, {"prompt", "a"}, {"max_tokens", 1}});
  ASSERT_LT(registry_->find("tiny")->model().weight_bytes(), 600'000u);
  ASSERT_GT(registry_->find("tiny")->model().weight_bytes(), 300'000u);
  EXPECT_TRUE(wait_until([&] { return service_->counts().exchanges == 0; }));
  ask("/v1/completions", {{"model", "bare"}, {"prompt", "a"}, {"max_tokens", 1}});
  EXPECT_EQ(registry_->find("tiny"), nullptr);
  const auto in_use = registry_->find("bare");
  EXPECT_EQ(post("/v1/completions", R"({"model":"tiny","prompt":"a"})").status, 503);
}

TEST(ApiKeys, AreKeptAsHashes) {
  const testing::TemporaryFolder folder;
  const Path file = folder.path() / "keys";
  const std::string key = make_api_key();
  EXPECT_EQ(key.size(), 67u);
  append_api_key(file, key, "ann", "inference,metrics");
  append_api_key(file, "mk-other", "bob", "admin", {.requests = 60, .tokens = 9000});
  EXPECT_EQ(read_file(file).find(key), std::string::npos);
  const ApiKeys keys(file);
  ASSERT_NE(keys.find(key), nullptr);
  EXPECT_EQ(keys.find(key)->name, "ann");
  EXPECT_TRUE(keys.find(key)->allows(Scope::kMetrics));
  EXPECT_FALSE(keys.find(key)->allows(Scope::kAdmin));
  EXPECT_EQ(keys.find("mk-nobody"), nullptr);
  EXPECT_EQ(keys.find("mk-other")->limit.requests, 60);
  EXPECT_EQ(keys.find("mk-other")->limit.tokens, 9000);
  EXPECT_THROW(append_api_key(file, key, "a b", "admin"), Error);
  EXPECT_THROW(append_api_key(file, key, "a", "root"), Error);
  append_api_key(file, key, "x", "admin");
  const std::string hash(64, 'a');
  for (const std::string& line :
       {std::string("ann 12 admin"), "ann " + hash + " admin tokens=0",
        "ann " + hash + " admin tokens=1 tokens=2", "ann " + hash + " admin request=1"}) {
    FileWriter broken(file);
    broken.write(line + "\n");
    broken.commit();
    EXPECT_THROW(ApiKeys{file}, Error) << line;
  }
}

}  // namespace
}  // namespace minim::serve
