// The events of a response that is generated in the background: kept, so that whoever left can come
// back and read on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "serve/http/exchange.h"

namespace minim::serve {

// The newest bytes_max of them; their numbers count from 0. Safe to share between threads.
class ResponseEvents : public std::enable_shared_from_this<ResponseEvents> {
 public:
  explicit ResponseEvents(size_t bytes_max = size_t{1} << 20) : bytes_max_(bytes_max) {}

  void append(std::string event);  // as it is sent
  // There are no further ones.
  void finish();

  int64_t count() const;
  size_t bytes() const;  // of those that are kept
  // Whether event `number` is kept, or is still to come.
  bool has(int64_t number) const;

  // In the strand of `exchange`: streams the events from `number` on, those that are yet to come
  // too, and calls `told` there once the last one was written. A client that falls so far behind
  // that what it needs is not kept any more is cut off.
  void follow(std::shared_ptr<Exchange> exchange, int64_t number, std::function<void()> told = {});

 private:
  class Follower;
  enum class Next { kEvent, kWait, kEnd, kGone };
  Next read(int64_t number, std::string& event) const;
  void wake();

  const size_t bytes_max_;
  mutable std::mutex mutex_;  // guards what follows
  std::deque<std::string> kept_;
  int64_t first_ = 0;  // the number of the first one that is kept
  size_t bytes_ = 0;
  bool finished_ = false;
  std::vector<std::weak_ptr<Follower>> followers_;
};

}  // namespace minim::serve
