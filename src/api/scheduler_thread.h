// The thread of a model that steps its scheduler, and sleeps while there is nothing to do.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>

#include "runtime/scheduler.h"
#include "runtime/turns.h"

namespace minim::api {

// Called in the thread; may be empty.
struct SchedulerThreadHooks {
  std::function<void()> started;  // before its first step
  std::function<void()> ended;
  // After a step that computed, still in its turn; `first` where there was nothing to do before it.
  std::function<void(bool first)> after_step;
};

class SchedulerThread {
 public:
  // All must outlive it.
  SchedulerThread(Scheduler& scheduler, Turns& turns, SchedulerThreadHooks hooks);
  // Waits for the step at hand.
  ~SchedulerThread();
  SchedulerThread(const SchedulerThread&) = delete;
  SchedulerThread& operator=(const SchedulerThread&) = delete;

  // There may be something to do: a job came, events were pulled, memory is free. From any thread.
  void wake() noexcept {
    changes_.fetch_add(1, std::memory_order_acq_rel);
    changes_.notify_one();
  }

 private:
  void loop();

  Scheduler& scheduler_;
  Turns& turns_;
  SchedulerThreadHooks hooks_;
  std::atomic<uint32_t> changes_{0};
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace minim::api
