// A few threads for what waits: loading a model, embeddings. The threads of connections never do.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace minim::serve {

class WorkThreads {
 public:
  WorkThreads(int count, size_t waiting_max);
  // stop().
  ~WorkThreads();
  WorkThreads(const WorkThreads&) = delete;
  WorkThreads& operator=(const WorkThreads&) = delete;

  // False, and nothing happens, where too much waits already. `work` must not throw.
  bool submit(std::function<void()> work);
  // Waits for what is being done; what waits is dropped, as is what comes later.
  void stop();

 private:
  void loop();

  const size_t waiting_max_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::deque<std::function<void()>> waiting_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace minim::serve
