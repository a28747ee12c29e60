#include "serve/limits/rate_limits.h"

#include <gtest/gtest.h>

#include <string>

#include "serve/testing/service_rig.h"

namespace minim::serve {
namespace {

using std::chrono::milliseconds;
using testing::ClientResponse;

class RateLimitsTest : public ::testing::Test {
 protected:
  void pass(double seconds) { now_ += milliseconds(static_cast<int64_t>(seconds * 1e3)); }

  std::chrono::steady_clock::time_point now_;
  RateLimits limits_{{.requests = 60, .tokens = 600}, [this] { return now_; }};
};

TEST_F(RateLimitsTest, AMinutesWorthAndThenAsManyAsFlowIn) {
  for (int i = 0; i < 60; ++i) EXPECT_TRUE(limits_.take_request("ann", nullptr).taken);
  const RateState refused = limits_.take_request("ann", nullptr);
  EXPECT_FALSE(refused.taken);
  EXPECT_EQ(refused.limit, 60);
  EXPECT_EQ(refused.remaining, 0);
  EXPECT_NEAR(*refused.wait_seconds, 1, 1e-9);
  EXPECT_NEAR(refused.reset_seconds, 60, 1e-9);
  EXPECT_TRUE(limits_.take_request("ben", nullptr).taken);
  pass(1);
  EXPECT_TRUE(limits_.take_request("ann", nullptr).taken);
  EXPECT_FALSE(limits_.take_request("ann", nullptr).taken);
  const RateLimit own{.requests = 2};
  EXPECT_EQ(limits_.take_request("cat", &own).remaining, 1);
}

// What an answer may need is taken before, so that many at once cannot pass the limit.
TEST_F(RateLimitsTest, TokensAreTakenBeforeAndGivenBack) {
  const RateState first = limits_.take_tokens("ann", nullptr, 100, 400);
  EXPECT_TRUE(first.taken);
  EXPECT_EQ(first.taken_amount, 400);
  EXPECT_FALSE(limits_.take_tokens("ann", nullptr, 100, 400).taken);
  limits_.give_back_tokens("ann", 250);
  EXPECT_EQ(limits_.take_tokens("ann", nullptr, 100, 400).remaining, 50);
  // More than a whole minute's: as much as there can be.
  pass(60);
  EXPECT_EQ(limits_.take_tokens("ann", nullptr, 100, 100'000).taken_amount, 600);
  const RateState never = limits_.take_tokens("ann", nullptr, 601, 601);
  EXPECT_FALSE(never.taken);
  EXPECT_FALSE(never.wait_seconds);
}

TEST(DurationText, IsAsTheHeadersHaveIt) {
  EXPECT_EQ(duration_text(0.0201), "21ms");
  EXPECT_EQ(duration_text(1.5), "1.5s");
  EXPECT_EQ(duration_text(360.2), "6m0s");
  EXPECT_EQ(duration_text(0), "0ms");
}

class RateLimitedServiceTest : public testing::ServiceTest {};

TEST_F(RateLimitedServiceTest, KeysHaveLimits) {
  options_.keys.add("mk-ann", {"ann", 1, {.requests = 2}});
  options_.keys.add("mk-ben", {"ben", 1, {.tokens = 100}});
  start();
  const auto get = [&](const char* key) {
    return connect().request("GET", "/v1/models", {}, {{"x-api-key", key}});
  };
  const ClientResponse first = get("mk-ann");
  EXPECT_EQ(first.status, 200);
  EXPECT_EQ(first.header("x-ratelimit-limit-requests"), "2");
  EXPECT_EQ(first.header("x-ratelimit-remaining-requests"), "1");
  EXPECT_FALSE(first.header("x-ratelimit-reset-requests").empty());
  EXPECT_FALSE(first.header("x-request-id").empty());
  EXPECT_EQ(get("mk-ann").status, 200);
  const ClientResponse refused = get("mk-ann");
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(refused.header("retry-after"), "30");
  EXPECT_FALSE(refused.header("retry-after-ms").empty());
  EXPECT_EQ(OrderedJson::parse(refused.body)["error"]["code"], "rate_limit_exceeded");
  EXPECT_EQ(get("mk-ben").header("x-ratelimit-limit-requests"), "");

  const auto say = [&](OrderedJson more) {
    return connect().request("POST", "/v1/chat/completions", chat("a", more).dump(),
                             {{"x-api-key", "mk-ben"}});
  };
  const ClientResponse said = say({{"max_tokens", 80}, {"logit_bias", {{"2", 100}}}});
  EXPECT_EQ(said.status, 200) << said.body;
  EXPECT_EQ(said.header("x-ratelimit-limit-tokens"), "100");
  // What was not needed was given back: the model ended at once.
  ASSERT_TRUE(wait_until([&] { return service_->counts().exchanges == 0; }));
  EXPECT_EQ(say({{"max_tokens", 40}}).status, 200);
  const ClientResponse late = say({{"max_tokens", 40}});
  EXPECT_EQ(late.status, 429);
  EXPECT_EQ(OrderedJson::parse(late.body)["error"]["type"], "rate_limit_error");
  const ClientResponse large =
      say({{"messages", {{{"role", "user"}, {"content", std::string(200, 'x')}}}}});
  EXPECT_EQ(large.status, 429);
  EXPECT_EQ(large.header("x-should-retry"), "false");
}

// Two texts where one may be: refused, and nothing is charged for it.
TEST_F(RateLimitedServiceTest, WhatIsNotBegunIsNotCharged) {
  options_.limit.tokens = 100;
  options_.texts_max = 1;
  start();
  ASSERT_EQ(post("/v1/chat/completions", chat("a", {{"n", 2}}).dump()).status, 503);
  EXPECT_EQ(post("/v1/chat/completions", chat("a", {{"max_tokens", 70}}).dump()).status, 200);
}

TEST_F(RateLimitedServiceTest, KeysChangeWhileItServes) {
  options_.keys.add("mk-ann", {"ann", 1});
  start();
  const auto status = [&](const char* key) {
    return connect().request("GET", "/v1/models", {}, {{"x-api-key", key}}).status;
  };
  EXPECT_EQ(status("mk-ann"), 200);
  ApiKeys keys;
  keys.add("mk-ben", {"ben", 1});
  service_->set_keys(std::move(keys));
  EXPECT_EQ(status("mk-ann"), 401);
  EXPECT_EQ(status("mk-ben"), 200);
}

}  // namespace
}  // namespace minim::serve
