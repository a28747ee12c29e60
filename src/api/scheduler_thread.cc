#include "api/scheduler_thread.h"

#include <utility>

namespace minim::api {

SchedulerThread::SchedulerThread(Scheduler& scheduler, Turns& turns, SchedulerThreadHooks hooks)
    : scheduler_(scheduler), turns_(turns), hooks_(std::move(hooks)), thread_([this] { loop(); }) {}

SchedulerThread::~SchedulerThread() {
  stopping_.store(true);
  wake();
  thread_.join();
}

void SchedulerThread::loop() {
  if (hooks_.started) hooks_.started();
  bool was_idle = true;
  while (!stopping_.load()) {
    // Looked at before the step: what changes while it runs is seen by the next one.
    const uint32_t seen = changes_.load(std::memory_order_acquire);
    bool worked = false;
    {
      const Turns::Turn turn(turns_);
      worked = scheduler_.step();
      if (worked && hooks_.after_step) hooks_.after_step(was_idle);
    }
    was_idle = !worked;
    if (!worked) changes_.wait(seen, std::memory_order_acquire);
  }
  if (hooks_.ended) hooks_.ended();
}

}  // namespace minim::api
