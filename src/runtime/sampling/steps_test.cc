// Every step that narrows or reshapes a distribution: by hand, as its paper defines it, and against
// the plainest computation on random ones.
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "kernels/registry.h"
#include "runtime/testing/distribution.h"

namespace minim {
namespace {

using testing::distribution;
using testing::expect_same;
using testing::in_double;
using testing::Logits;

std::vector<float> logits_of(const std::vector<double>& probabilities) {
  std::vector<float> logits;
  for (const double p : probabilities) logits.push_back(static_cast<float>(std::log(p)));
  return logits;
}

// What `step` leaves of these probabilities.
std::map<int, double> left(const SamplingStepPtr& step, const std::vector<double>& probabilities) {
  const auto logits = logits_of(probabilities);
  Candidates candidates(kernels::select_kernel_table());
  candidates.assign(logits);
  Rng rng(1);
  step->apply(candidates, {}, rng);
  return distribution(candidates);
}

void expect_left(const SamplingStepPtr& step, const std::vector<double>& probabilities,
                 const std::map<int, double>& expected) {
  const auto got = left(step, probabilities);
  ASSERT_EQ(got.size(), expected.size());
  for (const auto& [token, p] : expected) {
    ASSERT_TRUE(got.contains(token)) << token;
    EXPECT_NEAR(got.at(token), p, 1e-6) << token;
  }
}

// `step` against its specification, on flat and peaked distributions of many sizes, as they come
// and after another step made a list of them.
void check(const std::function<SamplingStepPtr()>& make,
           const std::function<Logits(const Logits&)>& specification) {
  Rng rng(7);
  for (const size_t count : {1u, 3u, 100u, 1000u, 9000u}) {
    for (const float deviation : {0.1f, 1.0f, 4.0f}) {
      for (const bool as_list : {false, true}) {
        SCOPED_TRACE(::testing::Message()
                     << count << " logits, deviation " << deviation << (as_list ? ", listed" : ""));
        const auto logits = testing::random_logits(rng, count, deviation);
        Candidates candidates(kernels::select_kernel_table());
        candidates.assign(logits);
        if (as_list) candidates.keep_best(500);
        const Logits before =
            as_list ? testing::spec_top_k(in_double(logits), 500) : in_double(logits);
        Rng place(3);
        make()->apply(candidates, {}, place);
        expect_same(candidates, specification(before));
        if (::testing::Test::HasFatalFailure()) return;
      }
    }
  }
}

TEST(Steps, TopK) {
  expect_left(make_top_k(2), {0.1, 0.5, 0.15, 0.25}, {{1, 2. / 3}, {3, 1. / 3}});
  // Of equals the smaller ids stay.
  expect_left(make_top_k(2), {0.25, 0.25, 0.25, 0.25}, {{0, 0.5}, {1, 0.5}});
  for (const int count : {1, 7, 40, 200}) {
    check([&] { return make_top_k(count); },
          [&](const Logits& logits) { return testing::spec_top_k(logits, size_t(count)); });
  }
}

TEST(Steps, TopP) {
  // The smallest set that reaches 0.7 has two tokens.
  expect_left(make_top_p(0.7f), {0.2, 0.5, 0.3}, {{1, 0.625}, {2, 0.375}});
  expect_left(make_top_p(0.01f), {0.2, 0.5, 0.3}, {{1, 1}});
  for (const float share : {0.01f, 0.5f, 0.95f, 0.999f}) {
    check([&] { return make_top_p(share); },
          [&](const Logits& logits) { return testing::spec_top_p(logits, double{share}); });
  }
}

TEST(Steps, MinP) {
  // 0.3 of 0.5 is 0.15.
  expect_left(make_min_p(0.3f), {0.2, 0.5, 0.14, 0.16},
              {{0, 0.2 / 0.86}, {1, 0.5 / 0.86}, {3, 0.16 / 0.86}});
  for (const float share : {0.001f, 0.05f, 0.5f, 1.0f}) {
    check([&] { return make_min_p(share); },
          [&](const Logits& logits) { return testing::spec_min_p(logits, double{share}); });
  }
}

TEST(Steps, TopNSigma) {
  // Logits 10, 8, 0, 0: mean 4.5, deviation sqrt(20.75) = 4.555. Twice 0.4 of that is 3.64 below.
  const std::vector<double> p = {std::exp(10.), std::exp(8.), 1, 1};
  const double both = std::exp(10.) + std::exp(8.);
  expect_left(make_top_n_sigma(0.8f), p, {{0, p[0] / both}, {1, p[1] / both}});
  expect_left(make_top_n_sigma(0.4f), p, {{0, 1}});
  for (const float sigmas : {0.5f, 1.0f, 3.0f}) {
    check([&] { return make_top_n_sigma(sigmas); },
          [&](const Logits& logits) { return testing::spec_top_n_sigma(logits, double{sigmas}); });
  }
}

TEST(Steps, Typical) {
  // The entropy of these is 1.75 bits, their surprise 1, 2, 3, 3: the second is the most typical.
  const std::vector<double> p = {0.5, 0.25, 0.125, 0.125};
  expect_left(make_typical(0.2f), p, {{1, 1}});
  expect_left(make_typical(0.7f), p, {{0, 2. / 3}, {1, 1. / 3}});
  expect_left(make_typical(0.8f), p, {{0, 0.5 / 0.875}, {1, 0.25 / 0.875}, {2, 0.125 / 0.875}});
  for (const float share : {0.05f, 0.5f, 0.95f}) {
    check([&] { return make_typical(share); },
          [&](const Logits& logits) { return testing::spec_typical(logits, double{share}); });
  }
}

TEST(Steps, Temperature) {
  // Odds of 2 to 1 become 4 to 1 at half the temperature.
  expect_left(make_temperature({.temperature = 0.5f}), {2. / 3, 1. / 3}, {{0, 0.8}, {1, 0.2}});
  expect_left(make_temperature({.temperature = 0}), {0.3, 0.35, 0.35}, {{1, 1}});
  expect_left(make_temperature({.temperature = 1e-30f}), {0.3, 0.35, 0.34}, {{1, 1}});
  EXPECT_EQ(make_temperature({.temperature = 1}), nullptr);
  for (const float temperature : {0.0f, 0.1f, 0.8f, 3.0f, 100.0f}) {
    check([&] { return make_temperature({.temperature = temperature}); },
          [&](const Logits& logits) {
            return testing::spec_temperature(logits, double{temperature});
          });
  }
}

TEST(Steps, TemperatureMovesWithEntropy) {
  // Quite uncertain: the highest temperature; quite certain: the lowest, here 0.
  const SamplerOptions options = {.temperature = 1, .temperature_range = 1};
  expect_left(make_temperature(options), {0.25, 0.25, 0.25, 0.25},
              {{0, 0.25}, {1, 0.25}, {2, 0.25}, {3, 0.25}});
  // Entropy 1.75 bits of 2: temperature 2 * 0.875, odds to the power of 1 / 1.75.
  const double half = std::pow(0.5, 1 / 1.75), quarter = std::pow(0.25, 1 / 1.75);
  const double sum = 1 + half + 2 * quarter;
  expect_left(make_temperature(options), {0.5, 0.25, 0.125, 0.125},
              {{0, 1 / sum}, {1, half / sum}, {2, quarter / sum}, {3, quarter / sum}});
  expect_left(make_temperature(options), {1, 1e-30}, {{0, 1}});
  for (const float range : {0.3f, 0.8f, 2.0f}) {
    for (const float exponent : {0.0f, 1.0f, 2.5f}) {
      check(
          [&] {
            return make_temperature({.temperature = 0.9f,
                                     .temperature_range = range,
                                     .temperature_exponent = exponent});
          },
          [&](const Logits& logits) {
            return testing::spec_dynamic_temperature(logits, 0.9, double{range}, double{exponent});
          });
    }
  }
}

TEST(Steps, Xtc) {
  // 0.4, 0.3 and 0.2 are good choices; the least of them stays.
  expect_left(make_xtc({.probability = 1, .threshold = 0.15f}), {0.3, 0.4, 0.1, 0.2},
              {{2, 1. / 3}, {3, 2. / 3}});
  // One good choice is not left out.
  expect_left(make_xtc({.probability = 1, .threshold = 0.35f}), {0.4, 0.3, 0.3},
              {{0, 0.4}, {1, 0.3}, {2, 0.3}});
  for (const float threshold : {0.001f, 0.05f, 0.1f, 0.3f}) {
    check([&] { return make_xtc({.probability = 1, .threshold = threshold}); },
          [&](const Logits& logits) { return testing::spec_xtc(logits, double{threshold}); });
  }
}

TEST(Steps, XtcIsDoneAsOftenAsAsked) {
  const auto step = make_xtc({.probability = 0.3f, .threshold = 0.1f});
  const auto logits = logits_of({0.5, 0.5});
  Rng rng(5);
  constexpr int kTimes = 10'000;
  int done = 0;
  for (int i = 0; i < kTimes; ++i) {
    Candidates candidates(kernels::select_kernel_table());
    candidates.assign(logits);
    step->apply(candidates, {}, rng);
    done += candidates.count() == 1 ? 1 : 0;
  }
  EXPECT_NEAR(done, 3000, 4 * std::sqrt(kTimes * 0.3 * 0.7));
}

TEST(Steps, ThoseThatDoNothingAreNotMade) {
  EXPECT_EQ(make_top_k(0), nullptr);
  EXPECT_EQ(make_top_p(1), nullptr);
  EXPECT_EQ(make_min_p(0), nullptr);
  EXPECT_EQ(make_top_n_sigma(0), nullptr);
  EXPECT_EQ(make_typical(1), nullptr);
  EXPECT_EQ(make_xtc({}), nullptr);
  EXPECT_EQ(make_mirostat({}), nullptr);
  EXPECT_EQ(make_penalties({}), nullptr);
  EXPECT_EQ(make_penalties({.repetition = 2, .window = 0}), nullptr);
  EXPECT_EQ(make_dry({}, nullptr), nullptr);
}

TEST(Steps, NamesAreParsed) {
  std::string all;
  for (const SamplerStep step : sampler_steps()) {
    all += std::string(all.empty() ? "" : ";") + sampler_step_name(step);
  }
  EXPECT_EQ(all, "penalties;dry;top-n-sigma;top-k;typical;top-p;min-p;xtc;temperature;mirostat");
  const auto parsed = parse_sampler_steps(all);
  EXPECT_TRUE(
      std::equal(parsed.begin(), parsed.end(), sampler_steps().begin(), sampler_steps().end()));
  EXPECT_EQ(parse_sampler_steps("top_k,temperature"),
            (std::vector{SamplerStep::kTopK, SamplerStep::kTemperature}));
  EXPECT_TRUE(parse_sampler_steps("").empty());
  for (const char* bad : {"top-q", "top-k;;min-p", " top-k", "top-k;nan"}) {
    try {
      parse_sampler_steps(bad);
      ADD_FAILURE() << bad;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
      EXPECT_NE(std::string(error.what()).find("the steps are penalties, dry"), std::string::npos);
    }
  }
}

TEST(Steps, WhatIsListedAndWhatIsActive) {
  using Steps = std::vector<SamplerStep>;
  EXPECT_EQ(active_sampler_steps({}), (Steps{SamplerStep::kTopK, SamplerStep::kTopP,
                                             SamplerStep::kMinP, SamplerStep::kTemperature}));
  EXPECT_EQ(listed_sampler_steps({}).size(), sampler_steps().size());
  const SamplerOptions options = {.top_k = 0, .mirostat = {.version = 2}};
  EXPECT_EQ(listed_sampler_steps(options),
            (Steps{SamplerStep::kPenalties, SamplerStep::kDry, SamplerStep::kTemperature,
                   SamplerStep::kMirostat}));
  EXPECT_EQ(active_sampler_steps(options),
            (Steps{SamplerStep::kTemperature, SamplerStep::kMirostat}));
}

// The caller's order counts: temperature before top-p or after it.
TEST(Steps, AreTakenInTheOrderOfTheCaller) {
  SamplerOptions options = {.temperature = 0.5f, .top_p = 0.75f};
  const std::vector<double> p = {0.5, 0.3, 0.2};
  const auto run = [&](std::vector<SamplerStep> order) {
    options.steps = std::move(order);
    const auto logits = logits_of(p);
    Candidates candidates(kernels::select_kernel_table());
    candidates.assign(logits);
    Rng rng(1);
    for (const auto& step : make_steps(options, nullptr)) step->apply(candidates, {}, rng);
    return distribution(candidates);
  };
  // 0.25, 0.09 and 0.04 of 0.38: the first two reach 0.75 either way, the first alone does not.
  const auto late = run({SamplerStep::kTopP, SamplerStep::kTemperature});
  EXPECT_NEAR(late.at(0), 0.25 / 0.34, 1e-6);
  options.top_p = 0.65f;  // at temperature 0.5 the first one has 0.658
  EXPECT_EQ(run({SamplerStep::kTemperature, SamplerStep::kTopP}).size(), 1u);
  EXPECT_EQ(run({SamplerStep::kTopP, SamplerStep::kTemperature}).size(), 2u);
  EXPECT_EQ(run({SamplerStep::kTemperature}).size(), 3u);
}

TEST(Steps, OrdersThatMakeNoSenseAreRefused) {
  const auto make = [](SamplerOptions options) { return make_steps(options, nullptr); };
  EXPECT_THROW(make({.steps = {SamplerStep::kTopK, SamplerStep::kTopK}}), Error);
  EXPECT_THROW(make({.mirostat = {.version = 2}, .steps = {SamplerStep::kTemperature}}), Error);
  EXPECT_THROW(
      make({.mirostat = {.version = 2}, .steps = {SamplerStep::kMirostat, SamplerStep::kTopK}}),
      Error);
  // By default mirostat takes the place of what else leaves out tokens.
  EXPECT_EQ(make({.mirostat = {.version = 2}}).size(), 2u);
  EXPECT_EQ(
      make({.mirostat = {.version = 2}, .steps = {SamplerStep::kTopK, SamplerStep::kMirostat}})
          .size(),
      2u);
  // A greedy choice needs none of what keeps the best token.
  EXPECT_EQ(make({.temperature = 0}).size(), 1u);
  EXPECT_EQ(make({.temperature = 0, .typical_p = 0.9f}).size(), 5u);
}

}  // namespace
}  // namespace minim
