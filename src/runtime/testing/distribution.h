// Distributions over tokens, for tests of the steps of a sampler: the plainest way to compute what
// each step is specified to do, in double precision, and how Candidates compare with it.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <numeric>
#include <vector>

#include "base/rng.h"
#include "runtime/sampling/step.h"

namespace minim::testing {

constexpr double kGone = -std::numeric_limits<double>::infinity();

// One logit for each token; kGone: left out.
using Logits = std::vector<double>;

inline std::vector<double> probabilities(const Logits& logits) {
  const double best = *std::max_element(logits.begin(), logits.end());
  std::vector<double> p;
  for (const double logit : logits) p.push_back(std::exp(logit - best));
  const double sum = std::accumulate(p.begin(), p.end(), 0.0);
  for (double& value : p) value /= sum;
  return p;
}

inline double entropy(const Logits& logits) {
  double sum = 0;
  for (const double p : probabilities(logits)) sum -= p > 0 ? p * std::log(p) : 0;
  return sum;
}

// The tokens left, by `before`, equals by id.
inline std::vector<int> ordered(const Logits& logits, const std::function<bool(int, int)>& before) {
  std::vector<int> tokens;
  for (size_t i = 0; i < logits.size(); ++i) {
    if (logits[i] > kGone) tokens.push_back(static_cast<int>(i));
  }
  std::stable_sort(tokens.begin(), tokens.end(), before);
  return tokens;
}

inline std::vector<int> by_logit(const Logits& logits) {
  return ordered(logits, [&](int a, int b) { return logits[size_t(a)] > logits[size_t(b)]; });
}

inline Logits only(const Logits& logits, const std::vector<int>& tokens) {
  Logits kept(logits.size(), kGone);
  for (const int token : tokens) kept[size_t(token)] = logits[size_t(token)];
  return kept;
}

// The first of `tokens` that together have the share.
inline Logits take_share(const Logits& logits, std::vector<int> tokens, double share) {
  const auto p = probabilities(logits);
  double sum = 0;
  size_t kept = 0;
  while (kept < tokens.size() && (kept == 0 || sum < share)) sum += p[size_t(tokens[kept++])];
  tokens.resize(kept);
  return only(logits, tokens);
}

inline Logits spec_top_k(const Logits& logits, size_t count) {
  auto tokens = by_logit(logits);
  tokens.resize(std::min(tokens.size(), count));
  return only(logits, tokens);
}

inline Logits spec_top_p(const Logits& logits, double share) {
  return take_share(logits, by_logit(logits), share);
}

inline Logits spec_from(const Logits& logits, double logit_min) {
  Logits kept = logits;
  for (double& logit : kept) logit = logit >= logit_min ? logit : kGone;
  return kept;
}

inline Logits spec_min_p(const Logits& logits, double share) {
  return spec_from(logits, *std::max_element(logits.begin(), logits.end()) + std::log(share));
}

inline Logits spec_top_n_sigma(const Logits& logits, double sigmas) {
  double n = 0, mean = 0, variance = 0;
  for (const double logit : logits) n += logit > kGone ? 1 : 0;
  for (const double logit : logits) mean += logit > kGone ? logit / n : 0;
  for (const double logit : logits) {
    variance += logit > kGone ? (logit - mean) * (logit - mean) / n : 0;
  }
  const double best = *std::max_element(logits.begin(), logits.end());
  return spec_from(logits, best - sigmas * std::sqrt(variance));
}

inline Logits spec_typical(const Logits& logits, double share) {
  const auto p = probabilities(logits);
  const double expected = entropy(logits);
  const auto distance = [&](int token) { return std::abs(-std::log(p[size_t(token)]) - expected); };
  const auto tokens = ordered(logits, [&](int a, int b) { return distance(a) < distance(b); });
  return take_share(logits, tokens, share);
}

inline Logits spec_temperature(const Logits& logits, double temperature) {
  if (temperature == 0) return spec_top_k(logits, 1);
  Logits scaled = logits;
  for (double& logit : scaled) logit /= temperature;
  return scaled;
}

inline Logits spec_dynamic_temperature(const Logits& logits, double temperature, double range,
                                       double exponent) {
  const double low = std::max(0.0, temperature - range);
  const double high = temperature + range;
  const double largest = std::log(static_cast<double>(by_logit(logits).size()));
  const double certainty = largest > 0 ? entropy(logits) / largest : 0;
  return spec_temperature(logits, low + (high - low) * std::pow(certainty, exponent));
}

inline Logits spec_xtc(const Logits& logits, double threshold) {
  const auto p = probabilities(logits);
  auto tokens = by_logit(logits);
  size_t top = 0;
  while (top < tokens.size() && p[size_t(tokens[top])] >= threshold) ++top;
  if (top >= 2) tokens.erase(tokens.begin(), tokens.begin() + static_cast<ptrdiff_t>(top) - 1);
  return only(logits, tokens);
}

// What is left, and how probable.
inline std::map<int, double> distribution(const Logits& logits) {
  const auto p = probabilities(logits);
  std::map<int, double> result;
  for (size_t i = 0; i < p.size(); ++i) {
    if (logits[i] > kGone) result[static_cast<int>(i)] = p[i];
  }
  return result;
}

inline std::map<int, double> distribution(Candidates& candidates) {
  const double log_sum = candidates.log_sum();
  std::map<int, double> result;
  for (const Candidate& candidate : candidates.find_from(Candidates::kNever)) {
    result[candidate.token] = std::exp(double{candidate.logit} - log_sum);
  }
  return result;
}

inline void expect_same(Candidates& candidates, const Logits& expected) {
  const auto got = distribution(candidates);
  const auto want = distribution(expected);
  ASSERT_EQ(got.size(), want.size());
  for (const auto& [token, p] : want) {
    ASSERT_TRUE(got.contains(token)) << "token " << token << " is missing";
    ASSERT_NEAR(got.at(token), p, 1e-7 + 2e-5 * p) << "token " << token;
  }
}

// Normal logits, some of them left out; like a model's, a few stand out.
inline std::vector<float> random_logits(Rng& rng, size_t count, float deviation = 2.0f) {
  std::vector<float> logits(count);
  for (float& logit : logits) {
    logit = rng.normal() * deviation;
    if (rng.below(20) == 0) logit += 4 * deviation;
    if (rng.below(16) == 0) logit = -std::numeric_limits<float>::infinity();
  }
  logits[rng.below(count)] = 0.5f;
  return logits;
}

inline Logits in_double(const std::vector<float>& logits) { return {logits.begin(), logits.end()}; }

}  // namespace minim::testing
