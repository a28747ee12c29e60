#include "serve/http/server.h"

#include <fmt/core.h>

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/strand.hpp>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/system_random.h"
#include "serve/http/connection.h"
#include "serve/http/transport.h"

namespace minim::serve {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

constexpr std::chrono::milliseconds kAcceptPause{100};

// What one thread waits for. Each thread has its own, so that none wakes another one up for what it
// could do itself: a request takes half the time so.
struct Loop {
  asio::io_context io{1};
  asio::executor_work_guard<asio::io_context::executor_type> work{io.get_executor()};
};

std::vector<std::unique_ptr<Loop>> make_loops(int count) {
  std::vector<std::unique_ptr<Loop>> loops;
  for (int i = 0; i < std::max(count, 1); ++i) loops.push_back(std::make_unique<Loop>());
  return loops;
}

tcp::endpoint endpoint_of(const HttpServerOptions& options) {
  Transport::Error error;
  const std::string host = options.host == "localhost" ? "127.0.0.1" : options.host;
  const auto address = asio::ip::make_address(host, error);
  if (error) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("serve: '{}' is no address to listen on; give one such as 127.0.0.1, "
                            "0.0.0.0 or ::1",
                            options.host));
  }
  return {address, options.port};
}

}  // namespace

class HttpServer::Impl {
 public:
  Impl(const HttpServerOptions& options, HttpHandler handler, HttpHooks hooks);
  ~Impl() { stop(); }

  void start();
  uint16_t port() const { return port_; }
  bool tls() const { return transports_.tls(); }
  HttpServerCounts counts() const;
  bool drain(std::chrono::milliseconds timeout);
  void stop();

 private:
  void listen();
  void accept();
  void add(tcp::socket socket);
  void remove(Connection* connection);
  std::vector<std::shared_ptr<Connection>> connections() const;
  void stop_accepting();

  TransportFactory transports_;
  ConnectionShared shared_;
  const std::vector<std::unique_ptr<Loop>> loops_;
  size_t turn_ = 0;  // the loop of the next connection
  asio::strand<asio::io_context::executor_type> accept_strand_{loops_[0]->io.get_executor()};
  tcp::acceptor acceptor_{accept_strand_};
  asio::steady_timer accept_pause_{accept_strand_};
  uint16_t port_ = 0;

  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable closed_;
  std::unordered_map<Connection*, std::weak_ptr<Connection>> connections_;
  int64_t accepted_ = 0;
  int64_t refused_ = 0;

  std::vector<std::thread> threads_;
};

HttpServer::Impl::Impl(const HttpServerOptions& options, HttpHandler handler, HttpHooks hooks)
    : transports_(options.certificate, options.private_key), loops_(make_loops(options.threads)) {
  shared_.options = options;
  shared_.handler = std::move(handler);
  shared_.hooks = std::move(hooks);
  shared_.id_seed = system_random();
  listen();
}

void HttpServer::Impl::start() {
  accept();
  for (const auto& loop : loops_) {
    threads_.emplace_back([&io = loop->io] { io.run(); });
  }
}

void HttpServer::Impl::listen() {
  const tcp::endpoint endpoint = endpoint_of(shared_.options);
  Transport::Error error;
  acceptor_.open(endpoint.protocol(), error);
  if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor_.bind(endpoint, error);
  if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
  if (error) {
    throw Error(ErrorCode::kIo,
                fmt::format("serve: cannot listen on {} port {}: {}", shared_.options.host,
                            shared_.options.port, error.message()));
  }
  port_ = acceptor_.local_endpoint().port();
}

void HttpServer::Impl::accept() {
  turn_ = (turn_ + 1) % loops_.size();
  acceptor_.async_accept(asio::make_strand(loops_[turn_]->io),
                         [this](const Transport::Error& error, tcp::socket socket) {
                           if (!acceptor_.is_open()) return;
                           if (!error) {
                             add(std::move(socket));
                             return accept();
                           }
                           // Most likely there is no descriptor left; some connection will give its
                           // own back.
                           accept_pause_.expires_after(kAcceptPause);
                           accept_pause_.async_wait([this](const Transport::Error& cancelled) {
                             if (!cancelled && acceptor_.is_open()) accept();
                           });
                         });
}

void HttpServer::Impl::add(tcp::socket socket) {
  std::shared_ptr<Connection> connection;
  {
    const std::lock_guard lock(mutex_);
    if (shared_.draining) return;  // closed with the socket, as below
    ++accepted_;
    if (connections_.size() >= shared_.options.connections_max) {
      ++refused_;
      const auto oldest = shared_.waiting.take_oldest();
      if (oldest == nullptr) return;
      oldest->make_room();
    }
    connection = std::make_shared<Connection>(transports_.make(std::move(socket)), shared_,
                                              [this](Connection* closed) { remove(closed); });
    connections_.emplace(connection.get(), connection);
  }
  connection->post([connection] { connection->start(); });
}

void HttpServer::Impl::remove(Connection* connection) {
  const std::lock_guard lock(mutex_);
  connections_.erase(connection);
  closed_.notify_all();
}

std::vector<std::shared_ptr<Connection>> HttpServer::Impl::connections() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<Connection>> all;
  for (const auto& [key, weak] : connections_) {
    if (auto connection = weak.lock()) all.push_back(std::move(connection));
  }
  return all;
}

HttpServerCounts HttpServer::Impl::counts() const {
  const std::lock_guard lock(mutex_);
  return {.connections = static_cast<int64_t>(connections_.size()),
          .waiting = static_cast<int64_t>(shared_.waiting.size()),
          .exchanges = shared_.exchanges.load(),
          .accepted = accepted_,
          .refused = refused_};
}

void HttpServer::Impl::stop_accepting() {
  asio::post(accept_strand_, [this] {
    Transport::Error ignored;
    acceptor_.close(ignored);
    accept_pause_.cancel(ignored);
  });
}

bool HttpServer::Impl::drain(std::chrono::milliseconds timeout) {
  shared_.draining = true;
  stop_accepting();
  for (const auto& connection : connections()) connection->drain();
  std::unique_lock lock(mutex_);
  return closed_.wait_for(lock, timeout, [this] { return connections_.empty(); });
}

void HttpServer::Impl::stop() {
  if (threads_.empty()) return;
  shared_.draining = true;
  stop_accepting();
  for (const auto& connection : connections()) connection->close();
  {
    std::unique_lock lock(mutex_);
    closed_.wait(lock, [this] { return connections_.empty(); });
  }
  for (const auto& loop : loops_) {
    loop->work.reset();
    loop->io.stop();
  }
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

// ---- the outside -------------------------------------------------------------------------------

HttpServer::HttpServer(const HttpServerOptions& options, HttpHandler handler, HttpHooks hooks)
    : impl_(std::make_unique<Impl>(options, std::move(handler), std::move(hooks))) {}

HttpServer::~HttpServer() = default;

void HttpServer::start() { impl_->start(); }
uint16_t HttpServer::port() const { return impl_->port(); }
bool HttpServer::tls() const { return impl_->tls(); }
HttpServerCounts HttpServer::counts() const { return impl_->counts(); }
bool HttpServer::drain(std::chrono::milliseconds timeout) { return impl_->drain(timeout); }
void HttpServer::stop() { impl_->stop(); }

}  // namespace minim::serve
