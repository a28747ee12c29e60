// One request and the response to it. Everything of an exchange happens in one thread at a time,
// its strand: the handler is called there, and what happens elsewhere comes in by post().
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "serve/http/message.h"

namespace minim::serve {

// What became of a request, for logs and metrics.
struct HttpOutcome {
  int status = 0;         // 0: the client was gone before there was one
  size_t body_bytes = 0;  // sent, or meant to be
  bool complete = false;  // false: the client left first, or the response broke off
  double seconds = 0;     // since the request was read
};

class Exchange {
 public:
  explicit Exchange(HttpRequest request) : request_(std::move(request)) {}
  virtual ~Exchange() = default;
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  const HttpRequest& request() const { return request_; }

  // From any thread. What is posted is called in the order of the calls, and even after the client
  // has left.
  virtual void post(std::function<void()> call) = 0;

  // In the strand:

  // Besides those of the response, if called before it.
  void add_header(std::string name, std::string value) {
    added_.push_back({std::move(name), std::move(value)});
  }
  // The whole response, or begin(), any number of write()s and finish(). Without effect once the
  // client has left. REQUIRES: respond() or begin() is called once.
  virtual void respond(HttpResponse response) = 0;
  // The body of `head` is the first piece.
  virtual void begin(HttpResponse head) = 0;
  virtual void write(std::string piece) = 0;
  virtual void finish() = 0;
  // Breaks the connection off, so that nobody takes for whole what is not.
  virtual void abort() = 0;

  virtual bool started() const = 0;  // respond() or begin() was called
  virtual bool open() const = 0;     // the client is there, and the response is not finished
  // Written, but not taken by the client yet. Whoever produces a stream stops while these are many.
  virtual size_t waiting_bytes() const = 0;

  // Called each time that waiting_bytes() has become small again.
  virtual void on_drained(std::function<void()> call) = 0;
  // Called once, if the client leaves before finish(). Both are let go when the exchange ends.
  virtual void on_closed(std::function<void()> call) = 0;
  // Calls once after that time, unless the exchange has ended before; replaces an earlier call.
  virtual void call_after(std::chrono::milliseconds delay, std::function<void()> call) = 0;

 protected:
  const std::vector<HttpHeader>& added_headers() const { return added_; }

 private:
  const HttpRequest request_;
  std::vector<HttpHeader> added_;
};

}  // namespace minim::serve
