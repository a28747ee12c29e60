// Who may compute with the threads of a context: one at a time, in the order in which they asked.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace minim {

class Turns {
 public:
  // Held while one computes.
  class Turn {
   public:
    explicit Turn(Turns& turns) : turns_(turns) { turns_.take(); }
    ~Turn() { turns_.pass(); }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

   private:
    Turns& turns_;
  };

  // Who have asked and do not compute yet.
  int64_t waiting() const {
    const std::lock_guard lock(mutex_);
    return static_cast<int64_t>(next_ - serving_) - (next_ > serving_ ? 1 : 0);
  }

 private:
  void take() {
    std::unique_lock lock(mutex_);
    const uint64_t mine = next_++;
    passed_.wait(lock, [&] { return serving_ == mine; });
  }
  void pass() {
    {
      const std::lock_guard lock(mutex_);
      ++serving_;
    }
    passed_.notify_all();
  }

  mutable std::mutex mutex_;
  std::condition_variable passed_;
  uint64_t next_ = 0;  // guarded by mutex_, as is what follows
  uint64_t serving_ = 0;
};

}  // namespace minim
