// One HTTP request to another server, waited for: for programs that watch a server, and to send
// traces. HTTP/1.1 over plain sockets or TLS, a connection for each request.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "serve/http/message.h"

namespace minim::serve {

struct HttpUrl {
  bool tls = false;
  std::string host;    // a name or an address, without brackets
  uint16_t port = 80;  // 443 with TLS
  std::string path;    // with its query; "/" at least
  std::string text() const;
};
// "http://localhost:8080/metrics". Throws kInvalidArgument for what is no such address.
HttpUrl parse_http_url(std::string_view text);

struct HttpClientRequest {
  std::string method = "GET";
  HttpUrl url;
  std::vector<HttpHeader> headers;
  std::string body;
  std::chrono::milliseconds timeout{10'000};  // of all of it
  size_t response_bytes_max = size_t{16} << 20;
  // PEM file of the authorities that may have signed the server's certificate; empty: the system's,
  // or those that SSL_CERT_FILE names.
  std::string authorities;
};

// Throws kIo where the server cannot be reached, is not who the URL says, does not answer in time,
// or answers in no HTTP; kLimit for a response that is too large.
HttpResponse fetch_http(const HttpClientRequest& request);

}  // namespace minim::serve
