#include "serve/http/detached_exchange.h"

#include <utility>
#include <vector>

namespace minim::serve {

DetachedExchanges::DetachedExchanges() : thread_([this] { loop(); }) {}

DetachedExchanges::~DetachedExchanges() { stop(); }

std::shared_ptr<DetachedExchange> DetachedExchanges::open(
    HttpRequest request, std::function<void(std::shared_ptr<Exchange>)> begin, Done done) {
  auto exchange = std::make_shared<DetachedExchange>(*this, std::move(request), std::move(done));
  post([this, exchange, begin = std::move(begin)] {
    if (!exchange->open_) return;
    open_.insert(exchange);
    begin(exchange);
  });
  return exchange;
}

void DetachedExchanges::post(std::function<void()> call) {
  {
    const std::lock_guard lock(mutex_);
    if (stopped_) return;
    calls_.push_back(std::move(call));
  }
  changed_.notify_one();
}

void DetachedExchanges::call_at(TimePoint time, std::function<void()> call) {
  {
    const std::lock_guard lock(mutex_);
    if (stopped_) return;
    timers_.emplace(time, std::move(call));
  }
  changed_.notify_one();
}

void DetachedExchanges::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void DetachedExchanges::loop() {
  for (;;) {
    std::function<void()> call;
    {
      std::unique_lock lock(mutex_);
      while (!stopping_ && calls_.empty()) {
        if (timers_.empty()) {
          changed_.wait(lock);
        } else if (timers_.begin()->first <= std::chrono::steady_clock::now()) {
          calls_.push_back(std::move(timers_.begin()->second));
          timers_.erase(timers_.begin());
        } else {
          changed_.wait_until(lock, timers_.begin()->first);
        }
      }
      if (stopping_) break;
      call = std::move(calls_.front());
      calls_.pop_front();
    }
    call();
  }
  const std::vector<std::shared_ptr<DetachedExchange>> left(open_.begin(), open_.end());
  for (const auto& exchange : left) exchange->close_in_strand();
  std::deque<std::function<void()>> calls;
  std::multimap<TimePoint, std::function<void()>> timers;
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  calls.swap(calls_);  // go after the lock
  timers.swap(timers_);
}

// ---- one exchange ------------------------------------------------------------------------------

DetachedExchange::DetachedExchange(DetachedExchanges& owner, HttpRequest request,
                                   DetachedExchanges::Done done)
    : Exchange(std::move(request)), owner_(owner), done_(std::move(done)) {}

void DetachedExchange::post(std::function<void()> call) { owner_.post(std::move(call)); }

void DetachedExchange::close() {
  owner_.post([self = shared_from_this()] { self->close_in_strand(); });
}

void DetachedExchange::respond(HttpResponse response) {
  if (!open_) return;
  started_ = true;
  response_ = std::move(response);
  end(/*whole=*/true);
}

void DetachedExchange::begin(HttpResponse head) {
  started_ = true;
  response_ = std::move(head);
}

void DetachedExchange::write(std::string piece) {
  if (open_) response_.body += piece;
}

void DetachedExchange::finish() { end(/*whole=*/true); }

void DetachedExchange::on_closed(std::function<void()> call) { closed_ = std::move(call); }

void DetachedExchange::call_after(std::chrono::milliseconds delay, std::function<void()> call) {
  timer_ = std::move(call);
  owner_.call_at(std::chrono::steady_clock::now() + delay,
                 [weak = weak_from_this(), count = ++timer_count_] {
                   const auto self = weak.lock();
                   if (!self || !self->open_ || self->timer_count_ != count) return;
                   const auto due = std::move(self->timer_);
                   self->timer_ = nullptr;
                   due();
                 });
}

void DetachedExchange::close_in_strand() {
  if (!open_) return;
  const auto self = shared_from_this();
  const auto closed = std::exchange(closed_, nullptr);
  end(/*whole=*/false);
  if (closed) closed();
}

void DetachedExchange::end(bool whole) {
  if (!open_) return;
  open_ = false;
  const auto self = shared_from_this();
  owner_.open_.erase(self);
  // What was to be called holds whoever generates, and that this.
  const auto closed = std::exchange(closed_, nullptr);
  const auto timer = std::exchange(timer_, nullptr);
  if (!whole) response_ = {.status = 0};
  const auto done = std::exchange(done_, nullptr);
  if (done) done(std::move(response_));
}

}  // namespace minim::serve
