#include "serve/limits/rate_limits.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace minim::serve {
namespace {

constexpr double kSeconds = 60;

}  // namespace

RateLimits::RateLimits(const RateLimit& others, Clock clock)
    : others_(others), clock_(std::move(clock)) {}

// A bucket begins full, and again when its limit has changed.
void RateLimits::fill(Bucket& bucket, int64_t limit) const {
  const auto now = clock_();
  const auto most = static_cast<double>(limit);
  if (bucket.limit != limit) {
    bucket = {limit, most, now};
    return;
  }
  const std::chrono::duration<double> passed = now - std::exchange(bucket.filled, now);
  bucket.level = std::min(most, bucket.level + passed.count() * most / kSeconds);
}

RateState RateLimits::take(Bucket& bucket, int64_t limit, int64_t least, int64_t most) const {
  RateState state{.limit = limit};
  if (limit == 0) return state;
  fill(bucket, limit);
  const double rate = static_cast<double>(limit) / kSeconds;
  const int64_t amount = std::min(most, limit);
  const double missing = static_cast<double>(amount) - bucket.level;
  state.taken = least <= limit && missing <= 0;
  if (state.taken) {
    bucket.level -= static_cast<double>(amount);
    state.taken_amount = amount;
  } else if (least <= limit) {
    state.wait_seconds = missing / rate;
  }
  state.remaining = static_cast<int64_t>(std::max(bucket.level, 0.0));
  state.reset_seconds = (static_cast<double>(limit) - bucket.level) / rate;
  return state;
}

RateState RateLimits::take_request(const std::string& holder, const RateLimit* own) {
  const int64_t limit = own != nullptr && own->requests > 0 ? own->requests : others_.requests;
  if (limit == 0) return {};
  const std::lock_guard lock(mutex_);
  return take(holders_[holder].requests, limit, 1, 1);
}

RateState RateLimits::take_tokens(const std::string& holder, const RateLimit* own, int64_t least,
                                  int64_t most) {
  const int64_t limit = own != nullptr && own->tokens > 0 ? own->tokens : others_.tokens;
  if (limit == 0) return {};
  const std::lock_guard lock(mutex_);
  return take(holders_[holder].tokens, limit, least, most);
}

void RateLimits::give_back_tokens(const std::string& holder, int64_t tokens) {
  const std::lock_guard lock(mutex_);
  const auto found = holders_.find(holder);
  if (found == holders_.end()) return;
  Bucket& bucket = found->second.tokens;
  bucket.level =
      std::min(static_cast<double>(bucket.limit), bucket.level + static_cast<double>(tokens));
}

std::string duration_text(double seconds) {
  if (seconds < 1) return fmt::format("{:.0f}ms", std::ceil(seconds * 1e3));
  const auto whole = static_cast<int64_t>(seconds);
  if (whole < 60) return fmt::format("{:.3g}s", seconds);
  return fmt::format("{}m{}s", whole / 60, whole % 60);
}

}  // namespace minim::serve
