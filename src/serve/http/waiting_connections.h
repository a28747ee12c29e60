// The connections whose next request is not whole yet, in the order in which they began to wait.
// Where there are too many connections, the oldest of these makes room: who sends a request without
// delay never becomes it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>

namespace minim::serve {

class Connection;

// Safe to share between threads.
class WaitingConnections {
 public:
  // The ticket, never 0, that remove() takes.
  uint64_t add(std::weak_ptr<Connection> connection) {
    const std::lock_guard lock(mutex_);
    waiting_.emplace_hint(waiting_.end(), ++last_, std::move(connection));
    return last_;
  }

  // It need not be there any more.
  void remove(uint64_t ticket) {
    const std::lock_guard lock(mutex_);
    waiting_.erase(ticket);
  }

  // Takes it out; null where nobody waits.
  std::shared_ptr<Connection> take_oldest() {
    const std::lock_guard lock(mutex_);
    while (!waiting_.empty()) {
      auto connection = waiting_.begin()->second.lock();
      waiting_.erase(waiting_.begin());
      if (connection != nullptr) return connection;
    }
    return nullptr;
  }

  size_t size() const {
    const std::lock_guard lock(mutex_);
    return waiting_.size();
  }

 private:
  mutable std::mutex mutex_;
  std::map<uint64_t, std::weak_ptr<Connection>> waiting_;
  uint64_t last_ = 0;
};

}  // namespace minim::serve
