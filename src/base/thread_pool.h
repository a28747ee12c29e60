// A fixed set of threads that work on one job at a time, the calling thread among them.
// Workers spin briefly between jobs and then sleep, so that an idle model heats nothing. A worker
// that the system runs too late misses the job, and nobody waits for it: on a busy machine the
// caller does the work itself.
#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

namespace minim {

// Called in each thread that a pool makes, which has index 0 and up: before any work, and at its
// end. Must not throw. May be empty.
struct ThreadHooks {
  std::function<void(int index)> started;
  std::function<void(int index)> ended;
};

// What the threads wait for: memory, as where few tokens are computed and every weight is read for
// them, or their own arithmetic, as in prompts. More threads than memory can feed only cost energy.
enum class ThreadWork { kMemory, kArithmetic };

class ThreadPool {
 public:
  // REQUIRES: thread_count >= 1; the caller of run() counts as one.
  explicit ThreadPool(int thread_count, ThreadHooks hooks = {});
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int thread_count() const { return static_cast<int>(workers_.size()) + 1; }

  // How many of the threads take part in the jobs that begin from now on; the others sleep until
  // they may again. From any thread, at any time: a job at work keeps those it has. What jobs
  // compute does not depend on it. REQUIRES: 1 <= count <= thread_count().
  void set_active_count(int count);
  // The most of them for one kind of work; 0: all. At first all. REQUIRES: 0 <= count.
  void set_most(ThreadWork work, int count);
  // The kind of the jobs that begin from now on; at first kArithmetic. By the caller of run().
  void begin_work(ThreadWork work);
  // Of the jobs that begin now: the smaller of the two.
  int active_count() const { return active_count_.load(std::memory_order_relaxed); }

  // Calls body(task) for each task in [0, task_count), in any order, and returns when all are done.
  // Tasks are handed out one by one, so a thread that lost its core delays nobody else's share.
  // The first exception is rethrown here; tasks not yet begun are then skipped.
  // One caller at a time; not reentrant.
  template <typename Body>
  void run(int64_t task_count, Body&& body) {
    if (task_count <= 0) return;
    if (active_count() == 1 || task_count == 1) {
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

  void update_active_count();
  void run_job(const Job& job);
  void close_job();
  void stop();
  void start_worker(int index);
  void work_loop(int index);
  bool is_active(int index) const { return index < active_count_.load(); }
  void work_on(const Job& job);
  uint64_t wait_for_generation_after(uint64_t seen);
  bool enter_job(uint64_t generation);
  void leave_job();

  const ThreadHooks hooks_;
  std::vector<std::thread> workers_;  // index 1 and up; the caller of run() is 0
  // Jobs begun so far in the upper half, whether workers may still enter the last one, and how many
  // are at work on it.
  std::atomic<uint64_t> state_{0};
  Job job_;  // changes only while nobody is at work and nobody may enter
  std::atomic<int64_t> next_task_{0};
  std::atomic<bool> failed_{false};
  std::atomic<bool> stopping_{false};
  std::atomic<int> active_count_{1};

  std::atomic<ThreadWork> work_{ThreadWork::kArithmetic};

  // Only for those who have spun in vain.
  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable done_;
  std::condition_variable activated_;
  std::atomic<int> sleepers_{0};
  std::atomic<bool> caller_sleeps_{false};
  // Guarded by mutex_.
  int allowed_ = 1;
  int most_[2] = {0, 0};  // by work
  std::exception_ptr error_;
};

}  // namespace minim
