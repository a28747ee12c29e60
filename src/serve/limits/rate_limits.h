// How much each holder of a key may ask for in a minute: requests, and tokens.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

namespace minim::serve {

// 0: as many as one likes.
struct RateLimit {
  int64_t requests = 0;  // a minute, as the next
  int64_t tokens = 0;    // of prompts and answers
};

struct RateState {
  bool taken = true;
  int64_t limit = 0;  // 0: there is none
  int64_t remaining = 0;
  double reset_seconds = 0;  // until all may be asked for again
  int64_t taken_amount = 0;
  // Where it was not taken: when it can be; nothing where it is more than the limit.
  std::optional<double> wait_seconds;
};

// Buckets that hold a minute's worth and are filled all the time (token bucket). Safe to share
// between threads.
class RateLimits {
 public:
  using Clock = std::function<std::chrono::steady_clock::time_point()>;
  // `others`: of those whose key has no limits of its own.
  explicit RateLimits(
      const RateLimit& others = {}, Clock clock = [] { return std::chrono::steady_clock::now(); });

  // `own`: the limits of the key; null: none.
  RateState take_request(const std::string& holder, const RateLimit* own);
  // Takes `most`, or what a full bucket holds where that is less, because an answer's length is not
  // known before it ends; give_back_tokens() corrects it. Never possible where `least` is more.
  RateState take_tokens(const std::string& holder, const RateLimit* own, int64_t least,
                        int64_t most);
  // Less than none: takes more, and what comes next waits until that is made good.
  void give_back_tokens(const std::string& holder, int64_t tokens);

 private:
  struct Bucket {
    int64_t limit = 0;
    double level = 0;
    std::chrono::steady_clock::time_point filled;
  };
  struct Holder {
    Bucket requests;
    Bucket tokens;
  };
  void fill(Bucket& bucket, int64_t limit) const;
  RateState take(Bucket& bucket, int64_t limit, int64_t least, int64_t most) const;

  const RateLimit others_;
  const Clock clock_;
  std::mutex mutex_;  // guards what follows
  std::unordered_map<std::string, Holder> holders_;
};

// "6m0s", "1.5s", "20ms".
std::string duration_text(double seconds);

}  // namespace minim::serve
