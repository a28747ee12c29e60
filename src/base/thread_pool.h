// A fixed set of threads that work on one job at a time, the calling thread among them.
// Workers spin briefly between jobs and then sleep, so that an idle model heats nothing.
#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

namespace minim {

class ThreadPool {
 public:
  // REQUIRES: thread_count >= 1; the caller of run() counts as one.
  explicit ThreadPool(int thread_count);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int thread_count() const { return static_cast<int>(workers_.size()) + 1; }

  // Calls body(task) for each task in [0, task_count), in any order, and returns when all are done.
  // Tasks are handed out one by one, so a thread that lost its core delays nobody else's share.
  // The first exception is rethrown here; tasks not yet begun are then skipped.
  // One caller at a time; not reentrant.
  template <typename Body>
  void run(int64_t task_count, Body&& body) {
    if (task_count <= 0) return;
    if (workers_.empty() || task_count == 1) {
      for (int64_t task = 0; task < task_count; ++task) body(task);
      return;
    }
    run_job(Job{task_count, &body, [](void* object, int64_t task) {
                  (*static_cast<std::remove_reference_t<Body>*>(object))(task);
                }});
  }

  // Splits [0, count) into ranges of at least `grain` and calls body(begin, end) for each.
  template <typename Body>
  void run_ranges(int64_t count, int64_t grain, Body&& body) {
    if (count <= 0) return;
    grain = std::max<int64_t>(grain, 1);
    const int64_t parts_max = workers_.empty() ? 1 : int64_t{4} * thread_count();
    const int64_t parts = std::clamp<int64_t>((count + grain - 1) / grain, 1, parts_max);
    run(parts, [&](int64_t part) { body(count * part / parts, count * (part + 1) / parts); });
  }

 private:
  struct Job {
    int64_t task_count = 0;
    void* object = nullptr;
    void (*call)(void*, int64_t) = nullptr;
  };

  void run_job(const Job& job);
  void work_loop();
  void work_on(const Job& job);
  bool wait_for_job(uint64_t& seen);

  std::vector<std::thread> workers_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable done_;
  Job job_;                              // written under mutex_ while nobody works
  std::atomic<uint64_t> generation_{0};  // counts jobs
  std::atomic<int64_t> next_task_{0};
  std::atomic<int> busy_{0};  // workers that have not finished this generation
  std::atomic<bool> failed_{false};
  std::exception_ptr error_;  // guarded by mutex_
  bool stopping_ = false;     // guarded by mutex_
};

}  // namespace minim
