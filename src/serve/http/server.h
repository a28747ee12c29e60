// An HTTP/1.1 server: connections, their limits, and nothing of what is served.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "serve/http/exchange.h"

namespace minim::serve {

struct HttpServerOptions {
  std::string host = "127.0.0.1";  // an address, not a name
  uint16_t port = 0;               // 0: any that is free
  int threads = 2;
  std::string certificate;  // PEM files; both or none. With them the server speaks TLS only.
  std::string private_key;
  // For one more, the one is closed whose next request is awaited for longest; where all are being
  // answered, the new one.
  size_t connections_max = 16'384;
  size_t header_bytes_max = size_t{16} << 10;
  size_t body_bytes_max = size_t{32} << 20;     // of one request; more: 413
  size_t bodies_bytes_max = size_t{256} << 20;  // of all that are read at once; more: 503
  // A connection is closed where it takes longer,
  std::chrono::milliseconds idle{75'000};    // between requests
  std::chrono::milliseconds header{10'000};  // from the first byte of a request to its header's end
  std::chrono::milliseconds body{60'000};    // to read a body
  std::chrono::milliseconds write{60'000};   // to take what is written, whenever some was taken
};

// Called in the exchange's strand, by one of the server's threads. It must not wait.
using HttpHandler = std::function<void(std::shared_ptr<Exchange>)>;

struct HttpHooks {
  // The response to what is refused before there is a request: a status and a sentence.
  std::function<HttpResponse(int status, const std::string& message)> refuse;
  // A request has ended. From any thread; must not wait.
  std::function<void(const HttpRequest&, const HttpOutcome&)> ended;
};

struct HttpServerCounts {
  int64_t connections = 0;  // open now
  int64_t waiting = 0;      // of these, whose next request is not whole yet
  int64_t exchanges = 0;    // requests that are being answered
  int64_t accepted = 0;     // connections so far
  int64_t refused = 0;      // of these, closed for there being too many
};

class HttpServer {
 public:
  // Listens; nothing is answered before start(). Throws kInvalidArgument for an address or a
  // certificate that makes no sense, kIo where the system does not let it listen.
  HttpServer(const HttpServerOptions& options, HttpHandler handler, HttpHooks hooks);
  // stop().
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  void start();
  uint16_t port() const;
  bool tls() const;
  HttpServerCounts counts() const;

  // Answers no more connections; closes those that are idle, and the others after their response.
  // Returns when all are closed, or the time is over; whether they are.
  bool drain(std::chrono::milliseconds timeout);
  // Closes what is left; nothing is called any more when it returns.
  void stop();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace minim::serve
