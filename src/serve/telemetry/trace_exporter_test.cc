#include "serve/telemetry/trace_exporter.h"

#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <string>
#include <thread>

#include "base/error.h"
#include "serve/testing/trace_collector.h"

namespace minim::serve {
namespace {

using namespace std::chrono_literals;
using testing::TraceCollector;

constexpr const char* kTrace = "4bf92f3577b34da6a3ce929d0e0e4736";

HttpRequest request_with(const std::string& parent) {
  return {.headers = {{"traceparent", parent}, {"tracestate", "a=b"}}, .id = "req_1"};
}

TEST(TraceContext, IsTakenOverOrMade) {
  const TraceContext taken =
      trace_context_of(request_with(std::string("00-") + kTrace + "-00f067aa0ba902b7-01"));
  EXPECT_EQ(taken.trace[0], 0x4bf92f3577b34da6u);
  EXPECT_EQ(taken.trace[1], 0xa3ce929d0e0e4736u);
  EXPECT_EQ(taken.parent, 0x00f067aa0ba902b7u);
  EXPECT_TRUE(taken.sampled);
  EXPECT_EQ(taken.state, "a=b");
  EXPECT_NE(taken.span, 0u);
  EXPECT_FALSE(
      trace_context_of(request_with(std::string("00-") + kTrace + "-00f067aa0ba902b7-00")).sampled);
  // A later version may say more.
  EXPECT_EQ(
      trace_context_of(request_with(std::string("cc-") + kTrace + "-00f067aa0ba902b7-01-more"))
          .parent,
      taken.parent);
  const TraceContext made = trace_context_of({.id = "req_1"});
  EXPECT_EQ(made.span, taken.span);  // the request's
  EXPECT_EQ(made.parent, 0u);
  EXPECT_NE(trace_context_of({.id = "req_2"}).trace[0], made.trace[0]);
  const std::string zeros(32, '0');
  for (const std::string& wrong :
       {std::string(), std::string("00"), "ff-" + std::string(kTrace) + "-00f067aa0ba902b7-01",
        "00-" + zeros + "-00f067aa0ba902b7-01",
        "00-" + std::string(kTrace) + "-0000000000000000-01",
        "00-" + std::string(kTrace) + "-00f067aa0ba902b7-01-more",
        std::string("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01"),
        "00-" + std::string(kTrace) + "-00f067aa0ba902bx-01"}) {
    EXPECT_EQ(trace_context_of(request_with(wrong)).parent, 0u) << wrong;
    EXPECT_EQ(trace_context_of(request_with(wrong)).trace[0], made.trace[0]) << wrong;
  }
}

TEST(TraceOptions, AreThoseOfTheStandard) {
  std::map<std::string, std::string> set;
  const auto environment = [&](const char* name) {
    const auto found = set.find(name);
    return found == set.end() ? nullptr : found->second.c_str();
  };
  EXPECT_FALSE(trace_options("", environment).has_value());
  EXPECT_EQ(trace_options("http://a:4318/", environment)->url.text(), "http://a:4318/v1/traces");
  EXPECT_EQ(trace_options("http://a/x/v1/traces", environment)->url.path, "/x/v1/traces");
  set = {{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://b"},
         {"OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%20b, other = c"},
         {"OTEL_RESOURCE_ATTRIBUTES", "deployment=test,service.name=x"},
         {"OTEL_SERVICE_NAME", "y"}};
  const auto options = trace_options("", environment);
  EXPECT_EQ(options->url.text(), "http://b:80/v1/traces");
  ASSERT_EQ(options->headers.size(), 2u);
  EXPECT_EQ(options->headers[0].value, "a b");
  EXPECT_EQ(options->headers[1].name, "other");
  EXPECT_EQ(options->headers[1].value, "c");
  EXPECT_EQ(options->resource[0].second, "y");
  EXPECT_EQ(options->resource[2].second, "test");
  set["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] = "https://c/here";
  EXPECT_EQ(trace_options("", environment)->url.text(), "https://c:443/here");
  set["OTEL_SDK_DISABLED"] = "true";
  EXPECT_FALSE(trace_options("", environment).has_value());
  EXPECT_THROW(trace_options("localhost:4318", environment), Error);
  set["OTEL_EXPORTER_OTLP_HEADERS"] = "no value";
  EXPECT_THROW(trace_options("http://a", environment), Error);
  set = {{"OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"}};
  EXPECT_THROW(trace_options("http://a", environment), Error);
}

Span span(const std::string& name) {
  return {.context = trace_context_of({.id = name}),
          .name = name,
          .begin_ns = 1'700'000'000'000'000'001,
          .end_ns = 1'700'000'000'000'000'002,
          .attributes = {{"whole", int64_t{7}},
                         {"flag", true},
                         {"number", 0.5},
                         {"text", std::string("a\xff")},
                         {"list", std::vector<std::string>{"b", "c"}}}};
}

TEST(OtlpJson, HasTheFormOfTheProtocol) {
  Span failed = span("x");
  failed.failed = true;
  failed.message = "why";
  const OrderedJson json =
      otlp_json({failed, {.context = child_of(failed.context)}}, {.resource = {{"a", "b"}}});
  EXPECT_EQ(json["resourceSpans"][0]["resource"]["attributes"][0]["value"]["stringValue"], "b");
  const OrderedJson& spans = json["resourceSpans"][0]["scopeSpans"][0]["spans"];
  const OrderedJson& one = spans[0];
  EXPECT_EQ(one["traceId"].get<std::string>().size(), 32u);
  EXPECT_EQ(one["spanId"].get<std::string>().size(), 16u);
  EXPECT_FALSE(one.contains("parentSpanId"));
  EXPECT_EQ(one["startTimeUnixNano"], "1700000000000000001");
  EXPECT_EQ(one["attributes"][0]["value"]["intValue"], "7");
  EXPECT_EQ(one["attributes"][1]["value"]["boolValue"], true);
  EXPECT_EQ(one["attributes"][2]["value"]["doubleValue"], 0.5);
  EXPECT_EQ(one["attributes"][4]["value"]["arrayValue"]["values"][1]["stringValue"], "c");
  EXPECT_EQ(one["status"]["code"], 2);
  EXPECT_EQ(one["status"]["message"], "why");
  EXPECT_EQ(spans[1]["parentSpanId"], one["spanId"]);
  EXPECT_EQ(spans[1]["traceId"], one["traceId"]);
  EXPECT_NE(spans[1]["spanId"], one["spanId"]);
}

template <typename Done>
bool wait_until(Done done) {
  for (int i = 0; i < 6000; ++i) {
    if (done()) return true;
    std::this_thread::sleep_for(10ms);
  }
  return false;
}

TEST(TraceExporter, SendsBatches) {
  TraceCollector collector;
  TraceExporterOptions options = collector.options();
  options.headers = {{"api-key", "secret"}};
  options.batch_max = 2;
  options.delay = 60'000ms;
  {
    TraceExporter exporter(options);
    for (const char* name : {"a", "b", "c"}) exporter.add(span(name));
    ASSERT_TRUE(wait_until([&] { return exporter.counts().sent == 2; }));
    // The last one goes at the end.
  }
  ASSERT_EQ(collector.spans().size(), 3u);
  EXPECT_EQ(collector.requests().size(), 2u);
  EXPECT_EQ(collector.spans()[2]["name"], "c");
  EXPECT_EQ(HttpRequest{.headers = collector.headers}.header("api-key"), "secret");
  EXPECT_EQ(HttpRequest{.headers = collector.headers}.header("content-type"), "application/json");
}

TEST(TraceExporter, TriesAgainAndThenDrops) {
  TraceCollector collector;
  collector.status = 503;
  std::atomic<int> warnings{0};
  TraceExporterOptions options = collector.options();
  options.tries_max = 2;
  options.warn = [&](const std::string&) { ++warnings; };
  TraceExporter exporter(options);
  exporter.add(span("a"));
  EXPECT_TRUE(wait_until([&] { return exporter.counts().dropped == 1; }));
  collector.status = 400;
  exporter.add(span("b"));
  EXPECT_TRUE(wait_until([&] { return exporter.counts().dropped == 2; }));
  collector.status = 200;
  exporter.add(span("c"));
  EXPECT_TRUE(wait_until([&] { return exporter.counts().sent == 1; }));
  EXPECT_EQ(warnings, 1);
}

TEST(TraceExporter, CountsWhatTheCollectorRejects) {
  TraceCollector collector;
  collector.reply = R"({"partialSuccess": {"rejectedSpans": "1", "errorMessage": "x"}})";
  TraceExporterOptions options = collector.options();
  options.batch_max = 2;
  options.delay = 60'000ms;
  TraceExporter exporter(options);
  exporter.add(span("a"));
  exporter.add(span("b"));
  EXPECT_TRUE(wait_until([&] { return exporter.counts().dropped == 1; }));
  EXPECT_EQ(exporter.counts().sent, 1);
}

// Whoever adds a span does not wait for a collector that is not there; there is a bound.
TEST(TraceExporter, DropsWhatDoesNotFit) {
  TraceCollector collector;
  TraceExporterOptions options = collector.options();
  collector.close();
  options.queue_max = 10;
  options.delay = 60'000ms;
  {
    TraceExporter exporter(options);
    for (int i = 0; i < 1000; ++i) exporter.add(span("a"));
    EXPECT_GE(exporter.counts().dropped, 1000 - 10 - 512);
  }
}

}  // namespace
}  // namespace minim::serve
