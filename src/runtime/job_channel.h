// Between the thread that steps a Scheduler and the one that pulls a job's events.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "runtime/generation_event.h"
#include "runtime/job.h"

namespace minim {

// Tells the stepping thread that there may be something to do.
class WakeSignal {
 public:
  void set();
  // Whether it was set since the last call.
  bool take();
  // Until it is set, or stopped, or the time is over.
  void wait_for(std::chrono::milliseconds timeout);
  void wait();

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_set_ = false;  // guarded by mutex_
};

class JobChannel {
 public:
  JobChannel(std::shared_ptr<WakeSignal> wake, int64_t events_max, std::function<void()> on_events);

  // The stepping thread's side.

  // Never waits; an event more than fits is kept all the same. Of kPrompt events that wait, only
  // the latest is kept.
  void push(GenerationEvent event, const GenerationStatistics& statistics);
  // The last one: kDone or kError. Needs no memory, so that nobody ever waits for it in vain.
  void push_last(GenerationEvent event, const GenerationStatistics& statistics) noexcept;
  bool has_room() const;
  bool cancelled() const { return cancelled_.load(std::memory_order_acquire); }
  void set_state(JobState state) { state_.store(state, std::memory_order_release); }

  // The job's side.

  std::optional<GenerationEvent> next(std::optional<std::chrono::milliseconds> timeout);
  bool finished() const;
  void cancel();
  // Cancels, and is told nothing more.
  void let_go();
  JobState state() const { return state_.load(std::memory_order_acquire); }
  GenerationStatistics statistics() const;

 private:
  const std::shared_ptr<WakeSignal> wake_;
  const int64_t events_max_;
  std::atomic<bool> cancelled_{false};
  std::atomic<JobState> state_{JobState::kWaiting};

  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable pushed_;
  // Called under the lock: whoever has pulled the last event is not called any more.
  std::function<void()> on_events_;
  std::deque<GenerationEvent> events_;
  std::optional<GenerationEvent> last_;  // comes after events_
  GenerationStatistics statistics_;
  bool finished_ = false;  // the last event was pulled
};

}  // namespace minim
