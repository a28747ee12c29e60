// HTTP requests and responses as values, whoever reads and writes them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace minim::serve {

struct HttpHeader {
  std::string name;
  std::string value;
};

struct HttpRequest {
  std::string method;  // "GET"
  std::string path;    // "/v1/models/a b": decoded, without the query
  std::string query;   // "after=7", as it was sent
  std::vector<HttpHeader> headers;
  std::string body;
  std::string peer;  // "127.0.0.1"
  std::string id;    // of this request, in its response as x-request-id

  // The value of the first header of this name, whatever its case.
  std::optional<std::string_view> header(std::string_view name) const;
  // The decoded value of a parameter of the query.
  std::optional<std::string> parameter(std::string_view name) const;
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::vector<HttpHeader> headers;  // besides those that the server adds
  std::string body;
};

// "Not Found"; "Unknown" for what RFC 9110 does not name.
const char* status_text(int status);

// %41 as A; nothing for what is no percent-encoding, or encodes a zero byte.
std::optional<std::string> decode_percent(std::string_view text);

// Names of headers and media types do not depend on the case of ASCII letters.
bool equal_ignoring_case(std::string_view a, std::string_view b);

// Whether a header can hold it: no control characters, so that nobody adds headers of his own.
bool is_header_value(std::string_view value);

}  // namespace minim::serve
