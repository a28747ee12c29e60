#include <cmath>
#include <limits>

#include "tests/api/api_fixture.h"

namespace minim_test {
namespace {

std::string message(const std::function<void()>& function) { return thrown(function).second; }

TEST(PublicSampling, ListsItsOptions) {
  const std::vector<minim::OptionInfo> options = minim::Sampling::options();
  ASSERT_GT(options.size(), 20u);
  bool has_seed = false;
  for (const minim::OptionInfo& option : options) {
    EXPECT_GT(std::string(option.help).size(), 5u);
    EXPECT_GT(std::string(option.group).size(), 5u);
    if (option.kind == MINIM_OPTION_NUMBER || option.kind == MINIM_OPTION_INTEGER) {
      EXPECT_STRNE(option.bounds, "") << option.name;
      minim::Sampling sampling;
      sampling.set(option.name, option.default_value);
      sampling.set(option.name, std::stod(option.default_value));
    }
    has_seed = has_seed || option.name == std::string("seed");
  }
  EXPECT_TRUE(has_seed);
  EXPECT_STREQ(options[0].name, "temperature");
  EXPECT_STREQ(options[0].default_value, "0.8");
  EXPECT_EQ(minim_sampling_option(options.size(), nullptr, nullptr), MINIM_NOT_FOUND);
}

TEST(PublicSampling, ValuesOutOfBoundsAreRefusedByName) {
  minim::Sampling sampling;
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(message([&] { sampling.set("temperature", -1); }),
            "sampler: temperature is -1, but must be between 0 and 100");
  for (const double value : {kNan, 1e300, -1e300, 0.5, HUGE_VAL}) {
    EXPECT_STATUS(kInvalidArgument, sampling.set("top-k", value));
    EXPECT_STATUS(kInvalidArgument, sampling.set("seed", value));
    EXPECT_STATUS(kInvalidArgument, sampling.set("ignore-end", value));
  }
  EXPECT_STATUS(kInvalidArgument, sampling.set("top-p", kNan));
  EXPECT_STATUS(kInvalidArgument, sampling.set("top-k", "many"));
  EXPECT_STATUS(kInvalidArgument, sampling.set("top-k", "4 "));
  EXPECT_STATUS(kInvalidArgument, sampling.set("top-k", ""));
  EXPECT_STATUS(kInvalidArgument, sampling.set("ban", 1));
  EXPECT_STATUS(kInvalidArgument, sampling.set("ban", ""));
  EXPECT_STATUS(kInvalidArgument, sampling.set("samplers", "nucleus"));
  EXPECT_STATUS(kInvalidArgument, sampling.set("samplers", 1));
  EXPECT_STATUS(kNotFound, sampling.set("heat", 1));
  EXPECT_STATUS(kInvalidArgument, sampling.set_bias(-1, 0));
  EXPECT_STATUS(kInvalidArgument, sampling.set_bias(1, NAN));
  EXPECT_STATUS(kInvalidArgument, sampling.add_stop_token(-1));
  EXPECT_STATUS(kInvalidArgument, sampling.add_stop(std::string(5000, 'x')));
  sampling.set("seed", "18446744073709551615").set("ignore-end", 1).set("ban", "a");
  sampling.check();
}

TEST(PublicSampling, WhatWouldDoNothingIsRefused) {
  EXPECT_EQ(message([] { minim::Sampling().set("dry-base", 2).check(); }),
            "sampling: `dry-base` would do nothing: the step 'dry' is switched off");
  EXPECT_EQ(message([] {
              minim::Sampling().set("samplers", "top_k;temperature").set("top-p", 0.3).check();
            }),
            "sampling: `top-p` would do nothing: `samplers` does not list 'top-p'");
  EXPECT_EQ(message([] { minim::Sampling().set("mirostat", 1).set("min-p", 0.3).check(); }),
            "sampling: `min-p` would do nothing: with `mirostat` there is no step 'min-p', unless "
            "`samplers` lists it");
  minim::Sampling().set("dry-base", 2).set("dry-multiplier", 1).check();
}

TEST(PublicSampling, ActsOnWhatIsSaid) {
  const minim::Engine engine = make_engine();
  const minim::Model model(engine, chat_model());
  const auto say = [&](const minim::Sampling& sampling) {
    minim::Session session(model);
    session.append("Once");
    return generate(session, 6, sampling);
  };
  minim::Sampling biased = greedy();
  biased.set_bias(300, 1000);
  EXPECT_EQ(say(biased), std::vector<int32_t>(6, 300));
  minim::Sampling copy = biased.clone();
  copy.set_bias(300, -INFINITY);
  const std::vector<int32_t> without = say(copy);
  EXPECT_EQ(std::count(without.begin(), without.end(), 300), 0);
  EXPECT_EQ(say(biased), std::vector<int32_t>(6, 300));
  minim::Sampling outside = greedy();
  outside.set_bias(400, 1);
  EXPECT_STATUS(kInvalidArgument, say(outside));
  minim::Sampling stop = greedy();
  stop.add_stop_token(400);
  EXPECT_STATUS(kInvalidArgument, say(stop));
}

}  // namespace
}  // namespace minim_test
