#include "serve/openai/responses/events.h"

#include <algorithm>
#include <atomic>
#include <utility>

namespace minim::serve {
namespace {

// Written, but not taken by the client: no more is written then.
constexpr size_t kWaitingBytesMax = size_t{64} << 10;

}  // namespace

// One client on its way through the events. The exchange keeps it, and it the exchange, until that
// ends; of what it does, all but wake() happens in the strand.
class ResponseEvents::Follower : public std::enable_shared_from_this<Follower> {
 public:
  Follower(std::shared_ptr<const ResponseEvents> events, std::shared_ptr<Exchange> exchange,
           int64_t number, std::function<void()> told)
      : events_(std::move(events)),
        exchange_(std::move(exchange)),
        told_(std::move(told)),
        number_(number) {}

  void start() {
    exchange_->begin(
        {.content_type = "text/event-stream", .headers = {{"cache-control", "no-cache"}}});
    exchange_->on_drained([self = shared_from_this()] { self->pump(); });
    exchange_->on_closed([self = shared_from_this()] {});
    pump();
  }

  // From any thread.
  void wake() {
    if (posted_.exchange(true)) return;
    exchange_->post([self = shared_from_this()] {
      self->posted_ = false;
      self->pump();
    });
  }

 private:
  void pump() {
    const auto self = shared_from_this();
    std::string event;
    while (exchange_->open() && exchange_->waiting_bytes() < kWaitingBytesMax) {
      switch (events_->read(number_, event)) {
        case Next::kEvent:
          exchange_->write(std::move(event));
          ++number_;
          break;
        case Next::kWait: return;
        case Next::kGone: return exchange_->abort();
        case Next::kEnd:
          if (told_) told_();
          return exchange_->finish();
      }
    }
  }

  const std::shared_ptr<const ResponseEvents> events_;
  const std::shared_ptr<Exchange> exchange_;
  const std::function<void()> told_;
  int64_t number_;  // of the next one
  std::atomic<bool> posted_ = false;
};

void ResponseEvents::append(std::string event) {
  {
    const std::lock_guard lock(mutex_);
    bytes_ += event.size();
    kept_.push_back(std::move(event));
    while (bytes_ > bytes_max_ && kept_.size() > 1) {
      bytes_ -= kept_.front().size();
      kept_.pop_front();
      ++first_;
    }
  }
  wake();
}

void ResponseEvents::finish() {
  {
    const std::lock_guard lock(mutex_);
    finished_ = true;
  }
  wake();
}

// Without the lock: a follower may go with the last share of it.
void ResponseEvents::wake() {
  std::vector<std::shared_ptr<Follower>> followers;
  {
    const std::lock_guard lock(mutex_);
    std::erase_if(followers_, [](const auto& each) { return each.expired(); });
    for (const auto& each : followers_) followers.push_back(each.lock());
  }
  for (const auto& each : followers) {
    if (each) each->wake();
  }
}

int64_t ResponseEvents::count() const {
  const std::lock_guard lock(mutex_);
  return first_ + static_cast<int64_t>(kept_.size());
}

size_t ResponseEvents::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

bool ResponseEvents::has(int64_t number) const {
  const std::lock_guard lock(mutex_);
  return number >= first_;
}

ResponseEvents::Next ResponseEvents::read(int64_t number, std::string& event) const {
  const std::lock_guard lock(mutex_);
  if (number < first_) return Next::kGone;
  const auto place = static_cast<size_t>(number - first_);
  if (place >= kept_.size()) return finished_ ? Next::kEnd : Next::kWait;
  event = kept_[place];
  return Next::kEvent;
}

void ResponseEvents::follow(std::shared_ptr<Exchange> exchange, int64_t number,
                            std::function<void()> told) {
  const auto follower =
      std::make_shared<Follower>(shared_from_this(), std::move(exchange), number, std::move(told));
  {
    const std::lock_guard lock(mutex_);
    followers_.push_back(follower);
  }
  follower->start();
}

}  // namespace minim::serve
