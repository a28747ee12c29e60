#include "serve/http/connection.h"

#include <fmt/core.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <ctime>
#include <utility>

#include "base/rng.h"
#include "serve/http/exchange.h"

namespace minim::serve {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;

constexpr size_t kPipelinedMax = size_t{64} << 10;  // read ahead while a request is answered
constexpr size_t kBodyBuffer = size_t{64} << 10;
constexpr size_t kLingerMax = size_t{64} << 20;
constexpr std::chrono::milliseconds kLinger{2000};
constexpr size_t kDrained = size_t{16} << 10;

std::string http_date() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  char text[40];
  return {text, std::strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &utc)};
}

}  // namespace

// Forwards to its connection as long as it is the one that is answered.
class Connection::ConnectionExchange : public Exchange,
                                       public std::enable_shared_from_this<ConnectionExchange> {
 public:
  ConnectionExchange(HttpRequest request, std::shared_ptr<Connection> connection)
      : Exchange(std::move(request)), connection_(std::move(connection)) {}

  void post(std::function<void()> call) override {
    connection_->post([self = shared_from_this(), call = std::move(call)] { self->guard(call); });
  }
  void respond(HttpResponse response) override;
  void begin(HttpResponse head) override;
  void write(std::string piece) override {
    if (!open()) return;
    connection_->send_chunk(piece);
    connection_->flush();
  }
  void finish() override;
  void abort() override {
    if (open()) connection_->close_in_strand();
  }
  bool started() const override { return started_; }
  bool open() const override {
    return connection_->exchange_.get() == this && !connection_->finished_;
  }
  size_t waiting_bytes() const override {
    return connection_->exchange_.get() == this ? connection_->waiting_bytes() : 0;
  }
  void on_drained(std::function<void()> call) override { drained = std::move(call); }
  void on_closed(std::function<void()> call) override { closed = std::move(call); }
  void call_after(std::chrono::milliseconds delay, std::function<void()> call) override;

  using Exchange::added_headers;
  // Calls it; what it throws ends this exchange and nothing else.
  void guard(const std::function<void()>& call);
  void let_go() {
    drained = nullptr;
    closed = nullptr;
    timed = nullptr;
  }

  std::function<void()> drained;
  std::function<void()> closed;
  std::function<void()> timed;

 private:
  const std::shared_ptr<Connection> connection_;
  bool started_ = false;
};

void Connection::ConnectionExchange::guard(const std::function<void()>& call) {
  try {
    call();
  } catch (const std::exception& error) {
    if (started_) return abort();
    respond(connection_->shared_.hooks.refuse(500, error.what()));
  }
}

void Connection::ConnectionExchange::respond(HttpResponse response) {
  started_ = true;
  if (!open()) return;
  connection_->send_head(response, true);
  if (!connection_->is_head_) connection_->send(response.body);
  connection_->finished_ = true;
  connection_->flush();
}

void Connection::ConnectionExchange::begin(HttpResponse head) {
  started_ = true;
  if (!open()) return;
  connection_->send_head(head, false);
  connection_->send_chunk(head.body);
  connection_->flush();
}

void Connection::ConnectionExchange::finish() {
  if (!open()) return;
  if (connection_->chunked_ && !connection_->is_head_) connection_->send("0\r\n\r\n");
  connection_->finished_ = true;
  connection_->flush();
}

void Connection::ConnectionExchange::call_after(std::chrono::milliseconds delay,
                                                std::function<void()> call) {
  if (!open()) return;
  timed = std::move(call);
  connection_->call_timer_.expires_after(delay);
  connection_->call_timer_.async_wait([self = shared_from_this()](const Transport::Error& error) {
    if (!error && self->open() && self->timed) self->guard(std::exchange(self->timed, nullptr));
  });
}

// ---- the connection ----------------------------------------------------------------------------

Connection::Connection(std::unique_ptr<Transport> transport, ConnectionShared& shared,
                       std::function<void(Connection*)> closed)
    : transport_(std::move(transport)),
      shared_(shared),
      closed_(std::move(closed)),
      read_deadline_(transport_->socket().get_executor()),
      write_deadline_(transport_->socket().get_executor()),
      call_timer_(transport_->socket().get_executor()) {}

Connection::~Connection() = default;

void Connection::post(std::function<void()> call) {
  asio::post(transport_->socket().get_executor(), std::move(call));
}

void Connection::start() {
  Transport::Error ignored;
  transport_->socket().set_option(asio::ip::tcp::no_delay(true), ignored);
  Transport::Error error;
  const auto endpoint = transport_->socket().remote_endpoint(error);
  if (!error) peer_ = endpoint.address().to_string();
  begin_wait();
  set_deadline(shared_.options.header);
  transport_->handshake([self = shared_from_this()](const Transport::Error& failed) {
    if (self->phase_ == Phase::kClosed) return;
    if (failed) return self->close_in_strand();
    self->next_request();
  });
}

void Connection::drain() {
  post([self = shared_from_this()] {
    self->keep_alive_ = false;
    if (self->phase_ == Phase::kHandshake || self->phase_ == Phase::kIdle) self->close_in_strand();
  });
}

void Connection::close() {
  post([self = shared_from_this()] { self->close_in_strand(); });
}

void Connection::make_room() {
  post([self = shared_from_this()] {
    if (self->ticket_ != 0) self->close_in_strand();
  });
}

void Connection::begin_wait() {
  if (ticket_ == 0) ticket_ = shared_.waiting.add(weak_from_this());
}

void Connection::end_wait() {
  if (ticket_ != 0) shared_.waiting.remove(std::exchange(ticket_, 0));
}

void Connection::close_in_strand() {
  if (phase_ == Phase::kClosed) return;
  phase_ = Phase::kClosed;
  end_wait();
  Transport::Error ignored;
  read_deadline_.cancel(ignored);
  write_deadline_.cancel(ignored);
  transport_->socket().close(ignored);
  end_exchange(false);
  shared_.body_bytes -= std::exchange(body_counted_, 0);
  if (closed_) std::exchange(closed_, nullptr)(this);
}

// The timer is set anew only where it would come too late: a request has several deadlines, and
// hardly ever is one missed.
void Connection::set_deadline(std::chrono::milliseconds delay) {
  deadline_ = Clock::now() + delay;
  if (deadline_ < deadline_looked_at_) watch_deadline();
}

void Connection::watch_deadline() {
  deadline_looked_at_ = deadline_;
  read_deadline_.expires_at(deadline_);
  read_deadline_.async_wait([weak = weak_from_this()](const Transport::Error& error) {
    const auto self = weak.lock();
    if (error || self == nullptr) return;
    self->deadline_looked_at_ = Clock::time_point::max();
    if (self->phase_ == Phase::kBusy || self->phase_ == Phase::kClosed) return;
    if (self->deadline_ > Clock::now()) return self->watch_deadline();  // it was set meanwhile
    if (self->phase_ != Phase::kHeader && self->phase_ != Phase::kBody) {
      return self->close_in_strand();
    }
    self->refuse(408, "the request did not come in time");
  });
}

void Connection::next_request() {
  phase_ = Phase::kIdle;
  parser_.reset();
  if (!keep_alive_ || shared_.draining) return close_in_strand();
  begin_wait();
  if (pending_.empty()) {
    pending_.shrink_to_fit();
    set_deadline(shared_.options.idle);
    read();
  } else {
    parse();
  }
}

void Connection::read() {
  if (reading_ || phase_ == Phase::kClosed) return;
  reading_ = true;
  // Bodies may be large; connections that wait are many.
  const bool is_body = phase_ == Phase::kBody && read_was_full_;
  if (is_body) {
    body_buffer_.resize(kBodyBuffer);
  } else {
    std::vector<char>().swap(body_buffer_);
  }
  const asio::mutable_buffer into =
      is_body ? asio::buffer(body_buffer_) : asio::buffer(read_buffer_);
  transport_->read_some(into,
                        [self = shared_from_this(), data = static_cast<const char*>(into.data())](
                            const Transport::Error& error, size_t count) {
                          self->reading_ = false;
                          self->on_read(error, {data, count});
                        });
}

void Connection::on_read(const Transport::Error& error, std::string_view bytes) {
  if (phase_ == Phase::kClosed) return;
  if (error) return close_in_strand();
  if (phase_ == Phase::kLingering) {
    lingered_ += bytes.size();
    return lingered_ > kLingerMax ? close_in_strand() : read();
  }
  read_was_full_ = bytes.size() >= read_buffer_.size();
  pending_.append(bytes);
  if (phase_ != Phase::kBusy) return parse();
  // The next request may come already; while there is room, the client's leaving is noticed.
  if (pending_.size() < kPipelinedMax) read();
}

// Waits for the client to close, because data that is still under way when a socket is closed makes
// the system throw away what was sent.
void Connection::linger() {
  phase_ = Phase::kLingering;
  Transport::Error ignored;
  transport_->socket().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  pending_.clear();
  set_deadline(kLinger);
  read();
}

// ---- requests ----------------------------------------------------------------------------------

void Connection::parse() {
  if (phase_ == Phase::kIdle) {
    const size_t begin = std::min(pending_.find_first_not_of("\r\n"), pending_.size());
    pending_.erase(0, begin);  // an empty line before a request is allowed
    if (pending_.empty()) return read();
    phase_ = Phase::kHeader;
    set_deadline(shared_.options.header);
    parser_.emplace();
    parser_->eager(true);
    parser_->header_limit(static_cast<uint32_t>(shared_.options.header_bytes_max));
    parser_->body_limit(shared_.options.body_bytes_max);
  }
  while (!parser_->is_done() && !pending_.empty()) {
    Transport::Error error;
    const size_t used = parser_->put(asio::buffer(pending_), error);
    pending_.erase(0, used);
    if (error && error != http::error::need_more) return refuse_parse_error(error);
    if (phase_ == Phase::kHeader && parser_->is_header_done()) begin_body();
    if (phase_ == Phase::kBody && !count_body()) return;
    if (error) break;
  }
  if (parser_->is_done()) return dispatch();
  read();
}

void Connection::begin_body() {
  phase_ = Phase::kBody;
  set_deadline(shared_.options.body);
  if (parser_->is_done()) return;
  const auto expected = parser_->get().find(http::field::expect);
  if (expected != parser_->get().end() && parser_->get().version() >= 11) {
    send("HTTP/1.1 100 Continue\r\n\r\n");
    flush();
  }
}

// All bodies together are bounded; false: this one was refused.
bool Connection::count_body() {
  const size_t size = parser_->get().body().size();
  shared_.body_bytes += size - std::exchange(body_counted_, size);
  if (shared_.body_bytes <= shared_.options.bodies_bytes_max) return true;
  refuse(503, "too many large requests at once; try again later");
  return false;
}

void Connection::refuse_parse_error(const Transport::Error& error) {
  if (error == http::error::header_limit) {
    return refuse(
        431, fmt::format("the header is longer than {} bytes", shared_.options.header_bytes_max));
  }
  if (error == http::error::body_limit) {
    return refuse(413,
                  fmt::format("the body is longer than {} bytes", shared_.options.body_bytes_max));
  }
  refuse(400, "this is no HTTP/1.1 request: " + error.message());
}

// Answers what never became a request, and closes.
void Connection::refuse(int status, const std::string& message) {
  keep_alive_ = false;
  end_wait();
  old_protocol_ = is_head_ = false;
  parser_.reset();
  shared_.body_bytes -= std::exchange(body_counted_, 0);
  HttpRequest request;
  request.peer = peer_;
  request.id = fmt::format("req_{:016x}", mix_bits(shared_.id_seed + ++shared_.id_count));
  started_ = Clock::now();
  phase_ = Phase::kBusy;
  ++shared_.exchanges;
  exchange_ = std::make_shared<ConnectionExchange>(std::move(request), shared_from_this());
  exchange_->respond(shared_.hooks.refuse(status, message));
}

std::optional<HttpRequest> Connection::take_request() {
  auto& message = parser_->get();
  HttpRequest request;
  request.method = std::string(message.method_string());
  std::string_view target(message.target().data(), message.target().size());
  if (const size_t scheme = target.find("://"); !target.starts_with('/') && scheme < 6) {
    const size_t path = target.find('/', scheme + 3);
    target = path == std::string_view::npos ? "/" : target.substr(path);
  }
  const size_t query = std::min(target.find('?'), target.size());
  auto path = decode_percent(target.substr(0, query));
  if (!path) return std::nullopt;
  request.path = *std::move(path);
  request.query = target.substr(std::min(query + 1, target.size()));
  for (const auto& field : message) {
    request.headers.push_back({std::string(field.name_string()), std::string(field.value())});
  }
  request.body = std::move(message.body());
  request.peer = peer_;
  request.id = fmt::format("req_{:016x}", mix_bits(shared_.id_seed + ++shared_.id_count));
  return request;
}

void Connection::dispatch() {
  old_protocol_ = parser_->get().version() < 11;
  keep_alive_ = keep_alive_ && parser_->keep_alive() && !shared_.draining;
  is_head_ = parser_->get().method() == http::verb::head;
  if (!old_protocol_ && parser_->get().count(http::field::host) != 1) {
    return refuse(400, "a request has exactly one Host header");
  }
  auto request = take_request();
  if (!request) return refuse(400, "the path is not properly encoded");
  end_wait();
  phase_ = Phase::kBusy;
  started_ = Clock::now();
  ++shared_.exchanges;
  const auto exchange =
      std::make_shared<ConnectionExchange>(*std::move(request), shared_from_this());
  exchange_ = exchange;
  read();  // notices when the client leaves
  exchange->guard([&] { shared_.handler(exchange); });
}

// ---- responses ---------------------------------------------------------------------------------

void Connection::send_head(HttpResponse& response, bool has_length) {
  outcome_.status = response.status;
  chunked_ = !has_length && !old_protocol_;
  if (!has_length && old_protocol_) keep_alive_ = false;  // its end is the connection's
  std::string head =
      fmt::format("HTTP/1.1 {} {}\r\ndate: {}\r\nx-request-id: {}\r\n", response.status,
                  status_text(response.status), http_date(), exchange_->request().id);
  if (!response.content_type.empty()) head += "content-type: " + response.content_type + "\r\n";
  if (has_length) head += fmt::format("content-length: {}\r\n", response.body.size());
  if (chunked_) head += "transfer-encoding: chunked\r\n";
  if (!keep_alive_) head += "connection: close\r\n";
  if (keep_alive_ && old_protocol_) head += "connection: keep-alive\r\n";
  for (const auto* headers : {&exchange_->added_headers(), &std::as_const(response.headers)}) {
    for (const HttpHeader& header : *headers) {
      if (is_header_value(header.value)) head += header.name + ": " + header.value + "\r\n";
    }
  }
  send(head += "\r\n");
  outcome_.body_bytes = has_length ? response.body.size() : 0;
}

void Connection::send(std::string_view bytes) { outgoing_ += bytes; }

void Connection::send_chunk(std::string_view piece) {
  if (piece.empty() || is_head_) return;
  outcome_.body_bytes += piece.size();
  if (!chunked_) return send(piece);
  outgoing_ += fmt::format("{:x}\r\n", piece.size());
  outgoing_ += piece;
  outgoing_ += "\r\n";
}

void Connection::flush() {
  if (phase_ == Phase::kClosed) return;
  if (written_ < in_flight_.size()) return;  // on_written() goes on
  in_flight_.clear();
  written_ = 0;
  in_flight_.swap(outgoing_);
  if (in_flight_.empty()) {
    if (finished_) end_exchange(true);
    return;
  }
  on_written({}, 0);
}

void Connection::set_write_deadline() {
  write_limit_ = Clock::now() + shared_.options.write;
  if (!write_watched_) watch_write();
}

void Connection::watch_write() {
  write_watched_ = true;
  write_deadline_.expires_at(write_limit_);
  write_deadline_.async_wait([weak = weak_from_this()](const Transport::Error& error) {
    const auto self = weak.lock();
    if (error || self == nullptr) return;
    self->write_watched_ = false;
    if (self->written_ == self->in_flight_.size()) return;
    if (self->write_limit_ > Clock::now()) return self->watch_write();  // some was taken meanwhile
    self->close_in_strand();
  });
}

void Connection::on_written(const Transport::Error& error, size_t count) {
  if (phase_ == Phase::kClosed) return;
  if (error) return close_in_strand();
  written_ += count;
  if (written_ < in_flight_.size()) {
    set_write_deadline();
    transport_->write_some(
        asio::buffer(in_flight_.data() + written_, in_flight_.size() - written_),
        [self = shared_from_this()](const Transport::Error& failed, size_t sent) {
          self->on_written(failed, sent);
        });
    return;
  }
  const auto exchange = exchange_;
  flush();
  if (exchange != nullptr && exchange == exchange_ && exchange->drained && exchange->open() &&
      waiting_bytes() <= kDrained) {
    const auto drained = exchange->drained;  // it may set another
    exchange->guard(drained);
  }
}

void Connection::end_exchange(bool complete) {
  if (exchange_ == nullptr) return;
  const auto exchange = std::move(exchange_);
  exchange_ = nullptr;
  Transport::Error ignored;
  call_timer_.cancel(ignored);
  outcome_.complete = complete;
  outcome_.seconds = std::chrono::duration<double>(Clock::now() - started_).count();
  if (!complete && !finished_ && exchange->closed)
    exchange->guard(std::exchange(exchange->closed, nullptr));
  exchange->let_go();
  if (shared_.hooks.ended) shared_.hooks.ended(exchange->request(), outcome_);
  outcome_ = {};
  finished_ = false;
  --shared_.exchanges;
  shared_.body_bytes -= std::exchange(body_counted_, 0);
  if (phase_ == Phase::kClosed) return;
  if (keep_alive_ && !shared_.draining) return next_request();
  linger();
}

}  // namespace minim::serve
