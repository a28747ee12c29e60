// Exchanges without a connection: requests that the server makes itself, of handlers that know no
// difference.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_set>

#include "serve/http/exchange.h"

namespace minim::serve {

class DetachedExchange;

// One thread, which is the strand of all of them.
class DetachedExchanges {
 public:
  // The whole response, however it was written. Status 0: it broke off, was closed, or the server
  // ends. Called once, in the strand; must not throw.
  using Done = std::function<void(HttpResponse response)>;

  DetachedExchanges();
  // stop().
  ~DetachedExchanges();
  DetachedExchanges(const DetachedExchanges&) = delete;
  DetachedExchanges& operator=(const DetachedExchanges&) = delete;

  // From any thread:

  // `begin` is called in the strand, to respond sooner or later.
  std::shared_ptr<DetachedExchange> open(HttpRequest request,
                                         std::function<void(std::shared_ptr<Exchange>)> begin,
                                         Done done);
  void post(std::function<void()> call);
  // Closes those that are open; nothing is called any more when it returns.
  void stop();

 private:
  friend class DetachedExchange;
  using TimePoint = std::chrono::steady_clock::time_point;

  void loop();
  void call_at(TimePoint time, std::function<void()> call);

  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::deque<std::function<void()>> calls_;
  std::multimap<TimePoint, std::function<void()>> timers_;
  bool stopping_ = false;
  bool stopped_ = false;

  std::unordered_set<std::shared_ptr<DetachedExchange>> open_;  // of the strand
  std::thread thread_;
};

class DetachedExchange : public Exchange, public std::enable_shared_from_this<DetachedExchange> {
 public:
  DetachedExchange(DetachedExchanges& owner, HttpRequest request, DetachedExchanges::Done done);

  // As if the client had left. From any thread, while the owner lives.
  void close();

  void post(std::function<void()> call) override;
  void respond(HttpResponse response) override;
  void begin(HttpResponse head) override;
  void write(std::string piece) override;
  void finish() override;
  void abort() override { end(/*whole=*/false); }
  bool started() const override { return started_; }
  bool open() const override { return open_; }
  size_t waiting_bytes() const override { return 0; }
  void on_drained(std::function<void()>) override {}  // it never waits
  void on_closed(std::function<void()> call) override;
  void call_after(std::chrono::milliseconds delay, std::function<void()> call) override;

 private:
  friend class DetachedExchanges;
  void close_in_strand();
  void end(bool whole);

  DetachedExchanges& owner_;
  DetachedExchanges::Done done_;
  HttpResponse response_;
  bool started_ = false;
  bool open_ = true;
  std::function<void()> closed_;
  std::function<void()> timer_;
  uint64_t timer_count_ = 0;
};

}  // namespace minim::serve
