// What a server tells a collector of its requests.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>

#include "serve/testing/service_rig.h"
#include "serve/testing/trace_collector.h"

namespace minim::serve {
namespace {

using testing::HttpClient;
using testing::TraceCollector;

class TracingTest : public testing::ServiceTest {
 protected:
  void SetUp() override {
    options_.traces = collector_.options();
    start();
  }
  void TearDown() override { service_.reset(); }

  // By name, once there are so many.
  std::map<std::string, OrderedJson> spans(size_t count) {
    EXPECT_TRUE(wait_until([&] { return collector_.spans().size() >= count; }));
    std::map<std::string, OrderedJson> by_name;
    for (const OrderedJson& span : collector_.spans()) by_name[span["name"]] = span;
    EXPECT_EQ(collector_.spans().size(), count);
    return by_name;
  }
  static OrderedJson attribute(const OrderedJson& span, std::string_view key) {
    return TraceCollector::attribute(span, key);
  }

  TraceCollector collector_;
};

TEST_F(TracingTest, TellsWhatAnAnswerTook) {
  const std::string trace = "4bf92f3577b34da6a3ce929d0e0e4736";
  const OrderedJson request = chat("a secret of mine", {{"stream", true}, {"top_p", 0.5}});
  const auto response =
      connect().request("POST", "/v1/chat/completions", request.dump(),
                        {{"traceparent", "00-" + trace + "-00f067aa0ba902b7-01"}});
  EXPECT_EQ(response.status, 200);
  auto told = spans(5);
  const OrderedJson& root = told["POST /v1/chat/completions"];
  EXPECT_EQ(root["traceId"], trace);
  EXPECT_EQ(root["parentSpanId"], "00f067aa0ba902b7");
  EXPECT_EQ(root["kind"], 2);
  EXPECT_EQ(attribute(root, "http.response.status_code"), "200");
  EXPECT_EQ(attribute(root, "http.route"), "/v1/chat/completions");
  EXPECT_EQ(attribute(root, "minim.request.id"), response.header("x-request-id"));
  const OrderedJson& chat = told["chat tiny"];
  EXPECT_EQ(chat["parentSpanId"], root["spanId"]);
  EXPECT_EQ(attribute(chat, "gen_ai.operation.name"), "chat");
  EXPECT_EQ(attribute(chat, "gen_ai.provider.name"), "minim");
  EXPECT_EQ(attribute(chat, "gen_ai.request.model"), "tiny");
  EXPECT_EQ(attribute(chat, "gen_ai.request.max_tokens"), "12");
  EXPECT_EQ(attribute(chat, "gen_ai.request.top_p"), 0.5);
  EXPECT_EQ(attribute(chat, "gen_ai.usage.output_tokens"), "12");
  EXPECT_GT(std::stoi(attribute(chat, "gen_ai.usage.input_tokens").get<std::string>()), 0);
  EXPECT_EQ(attribute(chat, "gen_ai.response.finish_reasons")["values"][0]["stringValue"],
            "length");
  std::string before = chat["startTimeUnixNano"];
  for (const char* name : {"queue", "prompt", "generation"}) {
    const OrderedJson& part = told[name];
    EXPECT_EQ(part["parentSpanId"], chat["spanId"]);
    EXPECT_EQ(part["traceId"], trace);
    EXPECT_GE(part["startTimeUnixNano"].get<std::string>(), before);
    before = part["endTimeUnixNano"];
  }
  for (const OrderedJson& each : collector_.requests()) {
    EXPECT_EQ(each.dump().find("secret"), std::string::npos);
  }
}

TEST_F(TracingTest, TellsWhatWasRefusedOrBrokenOff) {
  post("/v1/chat/completions", "{}");
  const OrderedJson refused = spans(1)["POST /v1/chat/completions"];
  EXPECT_EQ(attribute(refused, "http.response.status_code"), "400");
  EXPECT_EQ(refused["status"].size(), 0u);  // the fault of whoever asked
  HttpClient client = connect();
  // More than can be generated before it leaves.
  const OrderedJson many = {
      {"model", "tiny"}, {"prompt", "a"}, {"max_tokens", 400}, {"n", 100}, {"stream", true}};
  client.send(HttpClient::format("POST", "/v1/completions", many.dump()));
  testing::ClientResponse head;
  ASSERT_TRUE(client.read_head(head));
  EXPECT_TRUE(client.read_chunk().has_value());
  client.close();
  std::map<std::string, OrderedJson> told;
  EXPECT_TRUE(wait_until([&] {
    for (const OrderedJson& span : collector_.spans()) told[span["name"]] = span;
    return told.count("text_completion tiny") + told.count("POST /v1/completions") == 2;
  }));
  EXPECT_EQ(attribute(told["text_completion tiny"], "error.type"), "cancelled");
  EXPECT_EQ(told["text_completion tiny"]["status"]["code"], 2);
  EXPECT_EQ(attribute(told["POST /v1/completions"], "error.type"), "client_left");
}

// Whoever asks may have decided that the trace is not kept.
TEST_F(TracingTest, KeepsToTheDecisionOfWhoeverAsks) {
  const std::string parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
  connect().request("POST", "/v1/chat/completions", chat("a").dump(), {{"traceparent", parent}});
  ask("/v1/embeddings", {{"model", "tiny"}, {"input", "a"}});
  auto told = spans(2);
  EXPECT_EQ(attribute(told["embeddings tiny"], "gen_ai.operation.name"), "embeddings");
  EXPECT_EQ(told["embeddings tiny"]["parentSpanId"], told["POST /v1/embeddings"]["spanId"]);
}

TEST_F(TracingTest, ServesOnWithoutACollector) {
  collector_.close();
  ask("/v1/chat/completions", chat("a"));
  EXPECT_TRUE(wait_until([&] {
    return connect().get("/metrics").body.find("minim_trace_spans_dropped_total 5\n") !=
           std::string::npos;
  }));
}

}  // namespace
}  // namespace minim::serve
