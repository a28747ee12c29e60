#include "base/thread_pool.h"

#include <utility>

#include "base/error.h"

namespace minim {
namespace {

// About 20 us: longer than the gap between two products of one token, far shorter than a token.
constexpr int kSpins = 2000;

void pause_cpu() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

ThreadPool::ThreadPool(int thread_count) {
  MINIM_CHECK(thread_count >= 1);
  for (int i = 1; i < thread_count; ++i) workers_.emplace_back([this] { work_loop(); });
}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    generation_.fetch_add(1, std::memory_order_release);
  }
  wake_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::run_job(const Job& job) {
  {
    const std::lock_guard lock(mutex_);
    job_ = job;
    next_task_.store(0, std::memory_order_relaxed);
    failed_.store(false, std::memory_order_relaxed);
    busy_.store(static_cast<int>(workers_.size()), std::memory_order_relaxed);
    generation_.fetch_add(1, std::memory_order_release);
  }
  wake_.notify_all();
  work_on(job);
  for (int spin = 0; spin < kSpins; ++spin) {
    if (busy_.load(std::memory_order_acquire) == 0) break;
    pause_cpu();
  }
  std::unique_lock lock(mutex_);
  done_.wait(lock, [this] { return busy_.load(std::memory_order_acquire) == 0; });
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
}

void ThreadPool::work_on(const Job& job) {
  try {
    while (!failed_.load(std::memory_order_relaxed)) {
      const int64_t task = next_task_.fetch_add(1, std::memory_order_relaxed);
      if (task >= job.task_count) return;
      job.call(job.object, task);
    }
  } catch (...) {
    failed_.store(true, std::memory_order_relaxed);
    const std::lock_guard lock(mutex_);
    if (!error_) error_ = std::current_exception();
  }
}

bool ThreadPool::wait_for_job(uint64_t& seen) {
  for (int spin = 0; spin < kSpins; ++spin) {
    if (generation_.load(std::memory_order_acquire) != seen) break;
    pause_cpu();
  }
  std::unique_lock lock(mutex_);
  wake_.wait(lock, [&] { return generation_.load(std::memory_order_acquire) != seen; });
  seen = generation_.load(std::memory_order_acquire);
  return !stopping_;
}

void ThreadPool::work_loop() {
  uint64_t seen = 0;
  while (wait_for_job(seen)) {
    work_on(job_);
    if (busy_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      const std::lock_guard lock(mutex_);
      done_.notify_one();
    }
  }
}

}  // namespace minim
