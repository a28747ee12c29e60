#include "serve/http/transport.h"

#include <fmt/core.h>

#include <boost/asio/post.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <utility>

#include "base/error.h"

namespace minim::serve {
namespace {

namespace asio = boost::asio;

class PlainTransport : public Transport {
 public:
  explicit PlainTransport(Socket socket) : socket_(std::move(socket)) {}

  void handshake(std::function<void(Error)> done) override {
    asio::post(socket_.get_executor(), [done = std::move(done)] { done({}); });
  }
  void read_some(asio::mutable_buffer into, Done done) override {
    socket_.async_read_some(into, std::move(done));
  }
  void write_some(asio::const_buffer from, Done done) override {
    socket_.async_write_some(from, std::move(done));
  }
  Socket& socket() override { return socket_; }

 private:
  Socket socket_;
};

class TlsTransport : public Transport {
 public:
  TlsTransport(Socket socket, asio::ssl::context& context) : stream_(std::move(socket), context) {}

  void handshake(std::function<void(Error)> done) override {
    stream_.async_handshake(asio::ssl::stream_base::server, std::move(done));
  }
  void read_some(asio::mutable_buffer into, Done done) override {
    stream_.async_read_some(into, std::move(done));
  }
  void write_some(asio::const_buffer from, Done done) override {
    stream_.async_write_some(from, std::move(done));
  }
  Socket& socket() override { return stream_.next_layer(); }

 private:
  asio::ssl::stream<Socket> stream_;
};

[[noreturn]] void refuse_file(const std::string& what, const std::string& path,
                              const Transport::Error& error) {
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("tls: the {} '{}' cannot be used: {}; give PEM files", what, path,
                          error.message()));
}

}  // namespace

struct TransportFactory::Tls {
  asio::ssl::context context{asio::ssl::context::tls_server};
};

TransportFactory::TransportFactory(const std::string& certificate, const std::string& private_key) {
  if (certificate.empty() != private_key.empty()) {
    throw Error(ErrorCode::kInvalidArgument,
                "tls: a certificate and its private key are needed, both or none");
  }
  if (certificate.empty()) return;
  tls_ = std::make_unique<Tls>();
  asio::ssl::context& context = tls_->context;
  context.set_options(asio::ssl::context::default_workarounds | asio::ssl::context::no_tlsv1 |
                      asio::ssl::context::no_tlsv1_1 | asio::ssl::context::no_compression);
  SSL_CTX_set_mode(context.native_handle(), SSL_MODE_RELEASE_BUFFERS);
  Transport::Error error;
  context.use_certificate_chain_file(certificate, error);
  if (error) refuse_file("certificate", certificate, error);
  context.use_private_key_file(private_key, asio::ssl::context::pem, error);
  if (error) refuse_file("private key", private_key, error);
}

TransportFactory::~TransportFactory() = default;

std::unique_ptr<Transport> TransportFactory::make(Transport::Socket socket) const {
  if (tls_ == nullptr) return std::make_unique<PlainTransport>(std::move(socket));
  return std::make_unique<TlsTransport>(std::move(socket), tls_->context);
}

}  // namespace minim::serve
