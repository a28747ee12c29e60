// A small HTTP client on plain sockets, for tests: it sends what it is told, however wrong.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "serve/http/message.h"

namespace minim::serve::testing {

struct ClientResponse {
  int status = 0;  // 0: there was none
  std::vector<HttpHeader> headers;
  std::string body;
  bool complete = false;

  std::string header(std::string_view name) const {
    for (const HttpHeader& header : headers) {
      if (equal_ignoring_case(header.name, name)) return header.value;
    }
    return {};
  }
};

class HttpClient {
 public:
  explicit HttpClient(uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
  }
  HttpClient(HttpClient&& other) noexcept
      : socket_(std::exchange(other.socket_, -1)),
        connected_(other.connected_),
        read_(std::move(other.read_)) {}
  ~HttpClient() { close(); }

  bool connected() const { return connected_; }
  void close() {
    if (socket_ >= 0) ::close(std::exchange(socket_, -1));
  }

  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t count = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (count <= 0) return;  // the server may have closed, which the reply shows
      bytes.remove_prefix(static_cast<size_t>(count));
    }
  }

  static std::string format(std::string_view method, std::string_view path,
                            std::string_view body = {}, std::vector<HttpHeader> headers = {}) {
    std::string text = std::string(method) + " " + std::string(path) + " HTTP/1.1\r\n";
    bool has_host = false;
    for (const HttpHeader& header : headers) {
      has_host = has_host || equal_ignoring_case(header.name, "host");
      text += header.name + ": " + header.value + "\r\n";
    }
    if (!has_host) text += "Host: localhost\r\n";
    if (!body.empty()) {
      text += "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
              "\r\n";
    }
    return text + "\r\n" + std::string(body);
  }

  ClientResponse request(std::string_view method, std::string_view path, std::string_view body = {},
                         std::vector<HttpHeader> headers = {}) {
    send(format(method, path, body, std::move(headers)));
    return read_response(method != "HEAD");
  }
  ClientResponse get(std::string_view path) { return request("GET", path); }
  ClientResponse post(std::string_view path, std::string_view body) {
    return request("POST", path, body);
  }

  // The next response; `has_body` is false after HEAD.
  ClientResponse read_response(bool has_body = true) {
    ClientResponse response;
    if (!read_head(response)) return response;
    if (response.status == 100) return response;
    if (!has_body) {
      response.complete = true;
    } else if (const std::string length = response.header("content-length"); !length.empty()) {
      const auto size = static_cast<size_t>(std::strtoull(length.c_str(), nullptr, 10));
      while (read_.size() < size && read_some()) {
      }
      response.complete = read_.size() >= size;
      response.body = take(std::min(size, read_.size()));
    } else if (response.header("transfer-encoding") == "chunked") {
      while (const auto chunk = read_chunk()) {
        if (chunk->empty()) {
          response.complete = true;
          break;
        }
        response.body += *chunk;
      }
    } else {
      while (read_some()) {
      }
      response.complete = true;
      response.body = take(read_.size());
    }
    return response;
  }

  bool read_head(ClientResponse& response) {
    const auto line = read_line();
    if (!line || line->size() < 12) return false;
    response.status = std::atoi(line->c_str() + 9);
    while (const auto field = read_line()) {
      if (field->empty()) return true;
      const size_t colon = std::min(field->find(':'), field->size());
      const size_t value = std::min(field->find_first_not_of(" ", colon + 1), field->size());
      response.headers.push_back({field->substr(0, colon), field->substr(value)});
    }
    return false;
  }

  // One chunk of a chunked body: empty at the end, nothing where it breaks off.
  std::optional<std::string> read_chunk() {
    const auto size_line = read_line();
    if (!size_line) return std::nullopt;
    const auto size = static_cast<size_t>(std::strtoull(size_line->c_str(), nullptr, 16));
    while (read_.size() < size + 2) {
      if (!read_some()) return std::nullopt;
    }
    std::string chunk = take(size);
    take(2);
    return chunk;
  }

  // Whether the server has closed the connection, or does so before the patience is over.
  bool closed() {
    while (read_some()) {
    }
    return at_end_;
  }

 private:
  static constexpr int kPatience = 60'000;  // milliseconds

  std::optional<std::string> read_line() {
    size_t end = 0;
    while ((end = read_.find("\r\n")) == std::string::npos) {
      if (!read_some()) return std::nullopt;
    }
    std::string line = take(end);
    take(2);
    return line;
  }

  bool read_some() {
    pollfd wanted = {socket_, POLLIN, 0};
    if (socket_ < 0 || ::poll(&wanted, 1, kPatience) <= 0) return false;
    char bytes[16384];
    const ssize_t count = ::recv(socket_, bytes, sizeof(bytes), 0);
    at_end_ = count <= 0;
    if (count > 0) read_.append(bytes, static_cast<size_t>(count));
    return count > 0;
  }

  std::string take(size_t count) {
    std::string taken = read_.substr(0, count);
    read_.erase(0, count);
    return taken;
  }

  int socket_ = -1;
  bool connected_ = false;
  bool at_end_ = false;
  std::string read_;
};

}  // namespace minim::serve::testing
