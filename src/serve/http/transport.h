// The bytes of one connection, plain or through TLS. Only this folder's sources see it: it brings
// Asio in.
#pragma once

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/system/error_code.hpp>
#include <functional>
#include <memory>
#include <string>

namespace minim::serve {

class Transport {
 public:
  using Socket = boost::asio::ip::tcp::socket;
  using Error = boost::system::error_code;
  using Done = std::function<void(Error, size_t)>;

  virtual ~Transport() = default;
  // One of each at a time. `done` is called in the socket's executor, never before these return.
  virtual void handshake(std::function<void(Error)> done) = 0;
  virtual void read_some(boost::asio::mutable_buffer into, Done done) = 0;
  virtual void write_some(boost::asio::const_buffer from, Done done) = 0;
  virtual Socket& socket() = 0;
};

// Makes the transports of a server.
class TransportFactory {
 public:
  // Without a certificate: plain. Throws minim::Error(kInvalidArgument), naming the file.
  TransportFactory(const std::string& certificate, const std::string& private_key);
  ~TransportFactory();

  std::unique_ptr<Transport> make(Transport::Socket socket) const;
  bool tls() const { return tls_ != nullptr; }

 private:
  struct Tls;
  std::unique_ptr<Tls> tls_;
};

}  // namespace minim::serve
