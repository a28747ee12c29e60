#include "serve/http/client.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>
#include <utility>

#include "base/error.h"

namespace minim::serve {
namespace {

namespace beast_http = boost::beast::http;
using Clock = std::chrono::steady_clock;

[[noreturn]] void fail(const HttpUrl& url, const std::string& why) {
  throw Error(ErrorCode::kIo, fmt::format("http: {}: {}", url.text(), why));
}

std::string tls_error() {
  const unsigned long code = ::ERR_get_error();
  if (code == 0) return "the connection broke off";
  char text[256];
  ::ERR_error_string_n(code, text, sizeof(text));
  return text;
}

// A socket that never waits longer than until the deadline.
class Socket {
 public:
  Socket(const HttpUrl& url, Clock::time_point deadline) : url_(url), deadline_(deadline) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    const int failed =
        ::getaddrinfo(url.host.c_str(), std::to_string(url.port).c_str(), &hints, &found);
    if (failed != 0) fail(url_, ::gai_strerror(failed));
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> list(found, &::freeaddrinfo);
    std::string why;
    for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
      why = connect(*each);
      if (why.empty()) return;
    }
    fail(url_, "cannot connect: " + why);
  }
  ~Socket() { close(); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  int descriptor() const { return descriptor_; }
  void wait(short events) const {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline_ - Clock::now());
    pollfd wanted = {descriptor_, events, 0};
    if (left.count() <= 0 || ::poll(&wanted, 1, static_cast<int>(left.count())) == 0) {
      fail(url_, "no answer in time");
    }
  }

 private:
  void close() {
    if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
  }
  // Empty, or why not.
  std::string connect(const addrinfo& address) {
    close();
    descriptor_ = ::socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor_ < 0) return std::strerror(errno);
    if (::connect(descriptor_, address.ai_addr, address.ai_addrlen) == 0) return {};
    if (errno != EINPROGRESS) return std::strerror(errno);
    wait(POLLOUT);
    int error = 0;
    socklen_t size = sizeof(error);
    ::getsockopt(descriptor_, SOL_SOCKET, SO_ERROR, &error, &size);
    return error == 0 ? "" : std::strerror(error);
  }

  const HttpUrl& url_;
  const Clock::time_point deadline_;
  int descriptor_ = -1;
};

// Bytes out and in, through TLS where the URL says so.
class Stream {
 public:
  explicit Stream(const HttpClientRequest& request)
      : url_(request.url), socket_(url_, Clock::now() + request.timeout) {
    if (!url_.tls) return;
    context_.reset(::SSL_CTX_new(::TLS_client_method()));
    ::SSL_CTX_set_min_proto_version(context_.get(), TLS1_2_VERSION);
    ::SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, nullptr);
    if (request.authorities.empty()) {
      ::SSL_CTX_set_default_verify_paths(context_.get());
    } else if (::SSL_CTX_load_verify_file(context_.get(), request.authorities.c_str()) != 1) {
      throw Error(ErrorCode::kInvalidArgument, fmt::format("http: '{}' holds no certificates: {}",
                                                           request.authorities, tls_error()));
    }
    ssl_.reset(::SSL_new(context_.get()));
    ::SSL_set_tlsext_host_name(ssl_.get(), url_.host.c_str());
    if (::X509_VERIFY_PARAM_set1_ip_asc(::SSL_get0_param(ssl_.get()), url_.host.c_str()) != 1) {
      ::SSL_set1_host(ssl_.get(), url_.host.c_str());
    }
    ::SSL_set_fd(ssl_.get(), socket_.descriptor());
    until_done([&] { return ::SSL_connect(ssl_.get()); }, "TLS");
  }

  void write(std::string_view bytes) {
    while (!bytes.empty()) {
      size_t count = 0;
      if (url_.tls) {
        count = until_done([&] { return ::SSL_write(ssl_.get(), bytes.data(), to_int(bytes)); },
                           "sending");
      } else {
        const ssize_t sent = ::send(socket_.descriptor(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN && errno != EINTR) fail(url_, std::strerror(errno));
        if (sent < 0) socket_.wait(POLLOUT);
        count = sent < 0 ? 0 : static_cast<size_t>(sent);
      }
      bytes.remove_prefix(count);
    }
  }

  // 0 at the end.
  size_t read(char* into, size_t size) {
    if (url_.tls) {
      return until_done([&] { return ::SSL_read(ssl_.get(), into, static_cast<int>(size)); },
                        "reading");
    }
    for (;;) {
      const ssize_t count = ::recv(socket_.descriptor(), into, size, 0);
      if (count >= 0) return static_cast<size_t>(count);
      if (errno != EAGAIN && errno != EINTR) fail(url_, std::strerror(errno));
      socket_.wait(POLLIN);
    }
  }

 private:
  static int to_int(std::string_view bytes) {
    return static_cast<int>(std::min(bytes.size(), size_t{1} << 20));
  }
  template <typename Call>
  size_t until_done(Call call, const char* what) {
    for (;;) {
      ::ERR_clear_error();
      const int result = call();
      if (result > 0) return static_cast<size_t>(result);
      switch (::SSL_get_error(ssl_.get(), result)) {
        case SSL_ERROR_WANT_READ: socket_.wait(POLLIN); break;
        case SSL_ERROR_WANT_WRITE: socket_.wait(POLLOUT); break;
        case SSL_ERROR_ZERO_RETURN: return 0;
        default: fail(url_, fmt::format("{}: {}", what, verify_problem()));
      }
    }
  }
  std::string verify_problem() const {
    const long result = ::SSL_get_verify_result(ssl_.get());
    if (result == X509_V_OK) return tls_error();
    return fmt::format("the certificate is not trusted: {}",
                       ::X509_verify_cert_error_string(result));
  }

  struct Free {
    void operator()(SSL* ssl) const { ::SSL_free(ssl); }
    void operator()(SSL_CTX* context) const { ::SSL_CTX_free(context); }
  };

  const HttpUrl& url_;
  Socket socket_;
  std::unique_ptr<SSL_CTX, Free> context_;
  std::unique_ptr<SSL, Free> ssl_;
};

std::string head_of(const HttpClientRequest& request) {
  const HttpUrl& url = request.url;
  const bool is_v6 = url.host.find(':') != std::string::npos;
  std::string head =
      fmt::format("{} {} HTTP/1.1\r\nHost: {}:{}\r\nConnection: close\r\n", request.method,
                  url.path, is_v6 ? "[" + url.host + "]" : url.host, url.port);
  for (const HttpHeader& header : request.headers) {
    if (!is_header_value(header.value)) {
      throw Error(
          ErrorCode::kInvalidArgument,
          fmt::format("http: the header '{}' has a value that no header can have", header.name));
    }
    head += header.name + ": " + header.value + "\r\n";
  }
  if (!request.body.empty()) head += fmt::format("Content-Length: {}\r\n", request.body.size());
  return head + "\r\n";
}

}  // namespace

std::string HttpUrl::text() const {
  const bool is_v6 = host.find(':') != std::string::npos;
  return fmt::format("{}://{}:{}{}", tls ? "https" : "http", is_v6 ? "[" + host + "]" : host, port,
                     path);
}

HttpUrl parse_http_url(std::string_view text) {
  const auto refuse = [&](const char* why) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("http: '{}' {}; an address is like http://localhost:8080", text, why));
  };
  HttpUrl url;
  std::string_view rest = text;
  if (rest.starts_with("https://")) {
    url.tls = true;
    url.port = 443;
  } else if (!rest.starts_with("http://")) {
    refuse("does not begin with http:// or https://");
  }
  rest.remove_prefix(url.tls ? 8 : 7);
  const size_t slash = std::min(rest.find('/'), rest.size());
  url.path = slash == rest.size() ? "/" : std::string(rest.substr(slash));
  rest = rest.substr(0, slash);
  const size_t bracket = rest.rfind(']');
  const size_t colon = rest.find(':', bracket == std::string_view::npos ? 0 : bracket);
  if (colon != std::string_view::npos) {
    const std::string_view port = rest.substr(colon + 1);
    const auto read = std::from_chars(port.data(), port.data() + port.size(), url.port);
    if (read.ec != std::errc() || read.ptr != port.data() + port.size() || url.port == 0) {
      refuse("has no port after its ':'");
    }
    rest = rest.substr(0, colon);
  }
  if (rest.starts_with('[') && rest.ends_with(']')) rest = rest.substr(1, rest.size() - 2);
  url.host = rest;
  const auto fits = [](std::string_view part) {
    for (const char c : part) {
      if (static_cast<unsigned char>(c) <= ' ' || c == '@' || c == 0x7f) return false;
    }
    return !part.empty();
  };
  if (!fits(url.host) || !fits(url.path)) refuse("names no host");
  return url;
}

HttpResponse fetch_http(const HttpClientRequest& request) {
  Stream stream(request);
  stream.write(head_of(request));
  stream.write(request.body);
  beast_http::response_parser<beast_http::string_body> parser;
  parser.eager(true);
  parser.body_limit(request.response_bytes_max);
  boost::beast::error_code error;
  std::string pending;
  char bytes[16384];
  while (!parser.is_done()) {
    const size_t count = stream.read(bytes, sizeof(bytes));
    if (count == 0) {
      // The end of an answer that has not begun is nothing to ask the parser about.
      if (parser.got_some()) parser.put_eof(error);
      if (error || !parser.is_done()) fail(request.url, "the answer broke off, or is no HTTP");
      break;
    }
    pending.append(bytes, count);
    for (;;) {
      const size_t used = parser.put(boost::asio::buffer(pending), error);
      pending.erase(0, used);
      if (error || used == 0 || pending.empty() || parser.is_done()) break;
    }
    if (error == beast_http::error::body_limit) {
      throw Error(ErrorCode::kLimit, fmt::format("http: {}: the answer has more than {} bytes",
                                                 request.url.text(), request.response_bytes_max));
    }
    if (error && error != beast_http::error::need_more) {
      fail(request.url, "this is no HTTP server: " + error.message());
    }
  }
  auto& message = parser.get();
  HttpResponse response{.status = static_cast<int>(message.result_int()), .content_type = {}};
  for (const auto& field : message) {
    response.headers.push_back({std::string(field.name_string()), std::string(field.value())});
  }
  response.content_type = std::string(message[beast_http::field::content_type]);
  response.body = std::move(message.body());
  return response;
}

}  // namespace minim::serve
