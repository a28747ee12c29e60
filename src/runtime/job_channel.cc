#include "runtime/job_channel.h"

#include <utility>

namespace minim {

using Kind = GenerationEvent::Kind;

void WakeSignal::set() {
  {
    const std::lock_guard lock(mutex_);
    is_set_ = true;
  }
  changed_.notify_one();
}

bool WakeSignal::take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(is_set_, false);
}

void WakeSignal::wait_for(std::chrono::milliseconds timeout) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, timeout, [this] { return is_set_; });
}

void WakeSignal::wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return is_set_; });
}

JobChannel::JobChannel(std::shared_ptr<WakeSignal> wake, int64_t events_max,
                       std::function<void()> on_events)
    : wake_(std::move(wake)), events_max_(events_max), on_events_(std::move(on_events)) {}

void JobChannel::push(GenerationEvent event, const GenerationStatistics& statistics) {
  {
    const std::lock_guard lock(mutex_);
    const bool was_empty = events_.empty();
    statistics_ = statistics;
    if (event.kind == Kind::kPrompt && !was_empty && events_.back().kind == Kind::kPrompt) {
      events_.back() = std::move(event);
    } else {
      events_.push_back(std::move(event));
    }
    if (was_empty && on_events_) on_events_();
  }
  pushed_.notify_one();
}

void JobChannel::push_last(GenerationEvent event, const GenerationStatistics& statistics) noexcept {
  {
    const std::lock_guard lock(mutex_);
    statistics_ = statistics;
    last_ = std::move(event);
    if (events_.empty() && on_events_) on_events_();
  }
  pushed_.notify_one();
}

bool JobChannel::has_room() const {
  const std::lock_guard lock(mutex_);
  return static_cast<int64_t>(events_.size()) < events_max_;
}

std::optional<GenerationEvent> JobChannel::next(std::optional<std::chrono::milliseconds> timeout) {
  std::optional<GenerationEvent> event;
  bool was_full = false;
  {
    std::unique_lock lock(mutex_);
    const auto ready = [this] { return finished_ || last_ || !events_.empty(); };
    if (timeout) {
      pushed_.wait_for(lock, *timeout, ready);
    } else {
      pushed_.wait(lock, ready);
    }
    if (events_.empty()) {
      finished_ = finished_ || last_;
      return std::exchange(last_, std::nullopt);
    }
    was_full = static_cast<int64_t>(events_.size()) >= events_max_;
    event = std::move(events_.front());
    events_.pop_front();
  }
  if (was_full) wake_->set();
  return event;
}

bool JobChannel::finished() const {
  const std::lock_guard lock(mutex_);
  return finished_;
}

void JobChannel::cancel() {
  cancelled_.store(true, std::memory_order_release);
  wake_->set();
}

void JobChannel::let_go() {
  std::function<void()> unused;  // what it holds goes when the lock is gone
  bool has_ended = false;
  {
    const std::lock_guard lock(mutex_);
    unused.swap(on_events_);
    has_ended = finished_ || last_;
  }
  if (!has_ended) cancel();  // the scheduler need not wake up for one that it is done with
}

GenerationStatistics JobChannel::statistics() const {
  const std::lock_guard lock(mutex_);
  return statistics_;
}

const char* job_state_name(JobState state) {
  switch (state) {
    case JobState::kWaiting: return "waiting";
    case JobState::kWaitingForMemory: return "waiting for memory";
    case JobState::kReading: return "reading";
    case JobState::kGenerating: return "generating";
    case JobState::kPaused: return "paused";
    case JobState::kEnded: return "ended";
  }
  return "unknown";
}

Job& Job::operator=(Job&& other) noexcept {
  if (this == &other) return *this;
  let_go();
  channel_ = std::move(other.channel_);
  return *this;
}

void Job::let_go() {
  if (channel_ != nullptr) channel_->let_go();
}

std::optional<GenerationEvent> Job::next(std::chrono::milliseconds timeout) {
  MINIM_CHECK(channel_ != nullptr);
  return channel_->next(timeout);
}

std::optional<GenerationEvent> Job::next() {
  MINIM_CHECK(channel_ != nullptr);
  return channel_->next(std::nullopt);
}

bool Job::finished() const { return channel_ == nullptr || channel_->finished(); }

void Job::cancel() {
  if (channel_ != nullptr) channel_->cancel();
}

JobState Job::state() const { return channel_ == nullptr ? JobState::kEnded : channel_->state(); }

GenerationStatistics Job::statistics() const {
  return channel_ == nullptr ? GenerationStatistics() : channel_->statistics();
}

}  // namespace minim
