#include "base/thread_pool.h"

#include <chrono>
#include <utility>

#include "base/error.h"

namespace minim {
namespace {

constexpr uint64_t kGeneration = uint64_t{1} << 32;
constexpr uint64_t kOpen = uint64_t{1} << 31;
constexpr uint64_t kWorkers = kOpen - 1;

uint64_t generation_of(uint64_t state) { return state / kGeneration; }

void pause_cpu() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Longer than the gaps between the products of one token, far shorter than a token.
constexpr std::chrono::microseconds kSpinTime{50};

// Whether `condition` came true within kSpinTime.
template <typename Condition>
bool spin_until(Condition condition) {
  constexpr int kPausesPerLook = 32;  // at the clock
  const auto start = std::chrono::steady_clock::now();
  do {
    for (int i = 0; i < kPausesPerLook; ++i) {
      if (condition()) return true;
      pause_cpu();
    }
  } while (std::chrono::steady_clock::now() - start < kSpinTime);
  return false;
}

}  // namespace

ThreadPool::ThreadPool(int thread_count, ThreadHooks hooks)
    : hooks_(std::move(hooks)), active_count_(thread_count), allowed_(thread_count) {
  MINIM_CHECK(thread_count >= 1);
  try {
    for (int i = 1; i < thread_count; ++i) start_worker(i);
  } catch (...) {
    stop();  // the system has no more threads; those that run must end before the pool goes
    throw;
  }
}

ThreadPool::~ThreadPool() { stop(); }

void ThreadPool::start_worker(int index) {
  workers_.emplace_back([this, index] {
    if (hooks_.started) hooks_.started(index - 1);
    work_loop(index);
    if (hooks_.ended) hooks_.ended(index - 1);
  });
}

void ThreadPool::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_.store(true);
    state_.fetch_add(kGeneration);
  }
  wake_.notify_all();
  activated_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::set_active_count(int count) {
  MINIM_CHECK(count >= 1 && count <= thread_count());
  const std::lock_guard lock(mutex_);
  allowed_ = count;
  update_active_count();
}

void ThreadPool::set_most(ThreadWork work, int count) {
  MINIM_CHECK(count >= 0);
  const std::lock_guard lock(mutex_);
  most_[static_cast<int>(work)] = count;
  update_active_count();
}

void ThreadPool::begin_work(ThreadWork work) {
  if (work_.load(std::memory_order_relaxed) == work) return;
  const std::lock_guard lock(mutex_);
  work_.store(work, std::memory_order_relaxed);
  update_active_count();
}

// With mutex_ held.
void ThreadPool::update_active_count() {
  const int most = most_[static_cast<int>(work_.load(std::memory_order_relaxed))];
  const int count = most > 0 ? std::min(most, allowed_) : allowed_;
  if (active_count_.exchange(count) < count) activated_.notify_all();
}

// Those who are about to sleep say so before they look for the last time, and those who would wake
// them look for sleepers after they changed what is looked at (all in one order, seq_cst): one of
// the two sees the other.
void ThreadPool::run_job(const Job& job) {
  job_ = job;
  next_task_.store(0, std::memory_order_relaxed);
  failed_.store(false, std::memory_order_relaxed);
  state_.store((generation_of(state_.load(std::memory_order_relaxed)) + 1) * kGeneration | kOpen);
  if (sleepers_.load() > 0) {
    const std::lock_guard lock(mutex_);
    wake_.notify_all();
  }
  work_on(job);
  close_job();
  if (failed_.load(std::memory_order_relaxed)) {
    const std::lock_guard lock(mutex_);
    std::rethrow_exception(std::exchange(error_, nullptr));
  }
}

// Lets nobody enter any more, and waits for those who have.
void ThreadPool::close_job() {
  state_.fetch_and(~kOpen);
  const auto all_left = [this] { return (state_.load() & kWorkers) == 0; };
  if (spin_until(all_left)) return;
  std::unique_lock lock(mutex_);
  caller_sleeps_.store(true);
  done_.wait(lock, all_left);
  caller_sleeps_.store(false);
}

void ThreadPool::work_on(const Job& job) {
  try {
    while (!failed_.load(std::memory_order_relaxed)) {
      const int64_t task = next_task_.fetch_add(1, std::memory_order_relaxed);
      if (task >= job.task_count) return;
      job.call(job.object, task);
    }
  } catch (...) {
    const std::lock_guard lock(mutex_);
    if (!error_) error_ = std::current_exception();
    failed_.store(true, std::memory_order_relaxed);
  }
}

uint64_t ThreadPool::wait_for_generation_after(uint64_t seen) {
  const auto has_come = [&] { return generation_of(state_.load()) != seen; };
  if (!spin_until(has_come)) {
    std::unique_lock lock(mutex_);
    sleepers_.fetch_add(1);
    wake_.wait(lock, has_come);
    sleepers_.fetch_sub(1);
  }
  return generation_of(state_.load());
}

bool ThreadPool::enter_job(uint64_t generation) {
  uint64_t state = state_.load();
  while (generation_of(state) == generation && (state & kOpen) != 0) {
    if (state_.compare_exchange_weak(state, state + 1)) return true;
  }
  return false;
}

void ThreadPool::leave_job() {
  const uint64_t before = state_.fetch_sub(1);
  if ((before & kWorkers) == 1 && caller_sleeps_.load()) {
    const std::lock_guard lock(mutex_);
    done_.notify_one();
  }
}

void ThreadPool::work_loop(int index) {
  uint64_t seen = 0;
  for (;;) {
    seen = wait_for_generation_after(seen);
    if (!is_active(index)) {
      std::unique_lock lock(mutex_);
      activated_.wait(lock, [&] { return is_active(index) || stopping_.load(); });
    }
    if (stopping_.load()) return;
    if (!enter_job(seen)) continue;
    work_on(job_);
    leave_job();
  }
}

}  // namespace minim
