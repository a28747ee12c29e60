// One connection of a server: requests are read and answered one after the other. Only this
// folder's sources see it: it brings Asio and Beast in.
#pragma once

#include <array>
#include <atomic>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "serve/http/server.h"
#include "serve/http/transport.h"
#include "serve/http/waiting_connections.h"

namespace minim::serve {

// What the connections of a server share.
struct ConnectionShared {
  HttpServerOptions options;
  HttpHandler handler;
  HttpHooks hooks;
  uint64_t id_seed = 0;
  std::atomic<uint64_t> id_count{0};
  std::atomic<size_t> body_bytes{0};  // of the requests that are read or answered now
  std::atomic<int64_t> exchanges{0};
  std::atomic<bool> draining{false};
  WaitingConnections waiting;
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  // `closed` is called once, in the strand.
  Connection(std::unique_ptr<Transport> transport, ConnectionShared& shared,
             std::function<void(Connection*)> closed);
  ~Connection();

  void start();
  // From any thread.
  void post(std::function<void()> call);
  void drain();      // closes it once it is idle
  void close();      // closes it now
  void make_room();  // closes it unless a request is being answered

 private:
  class ConnectionExchange;
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;
  using Clock = std::chrono::steady_clock;
  enum class Phase {
    kHandshake,
    kIdle,       // no byte of a request is there
    kHeader,     // of a request is read
    kBody,       // likewise
    kBusy,       // a request is answered
    kLingering,  // the last response was sent; what still comes is dropped, or it might be lost
    kClosed,
  };

  void next_request();
  void read();
  void on_read(const Transport::Error& error, std::string_view bytes);
  void linger();
  void parse();
  void begin_body();
  bool count_body();
  void refuse(int status, const std::string& message);
  void refuse_parse_error(const Transport::Error& error);
  void dispatch();
  std::optional<HttpRequest> take_request();
  void set_deadline(std::chrono::milliseconds delay);
  void watch_deadline();
  void set_write_deadline();
  void watch_write();
  void close_in_strand();
  void begin_wait();
  void end_wait();

  // The side of the response.
  void send_head(HttpResponse& response, bool has_length);
  void send(std::string_view bytes);
  void send_chunk(std::string_view piece);
  void flush();
  void on_written(const Transport::Error& error, size_t count);
  void end_exchange(bool complete);
  size_t waiting_bytes() const { return outgoing_.size() + (in_flight_.size() - written_); }

  const std::unique_ptr<Transport> transport_;
  ConnectionShared& shared_;
  std::function<void(Connection*)> closed_;
  std::string peer_;

  Phase phase_ = Phase::kHandshake;
  std::array<char, 4096> read_buffer_;
  std::vector<char> body_buffer_;  // while a body comes faster than the other holds
  bool read_was_full_ = false;
  bool reading_ = false;
  std::string pending_;  // read, but not parsed
  std::optional<Parser> parser_;
  size_t body_counted_ = 0;  // of shared_.body_bytes
  size_t lingered_ = 0;
  uint64_t ticket_ = 0;         // of shared_.waiting; 0: a request is being answered
  Clock::time_point deadline_;  // of what is read
  Clock::time_point deadline_looked_at_ = Clock::time_point::max();  // max: never
  boost::asio::steady_timer read_deadline_;
  Clock::time_point write_limit_;
  bool write_watched_ = false;
  boost::asio::steady_timer write_deadline_;
  boost::asio::steady_timer call_timer_;

  std::shared_ptr<ConnectionExchange> exchange_;  // that is answered now
  HttpOutcome outcome_;
  Clock::time_point started_;
  bool old_protocol_ = false;  // HTTP/1.0
  bool is_head_ = false;       // the request wants no body
  bool chunked_ = false;
  bool keep_alive_ = true;
  bool finished_ = false;  // the response is whole, though not all of it may be sent
  std::string outgoing_;
  std::string in_flight_;
  size_t written_ = 0;  // of in_flight_
};

}  // namespace minim::serve
