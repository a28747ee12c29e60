// What is served, as one table: the paths, who may ask, and in which form errors are told.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "serve/api_keys.h"
#include "serve/call.h"

namespace minim::serve {

// What goes in and out, by the names of schemas in the OpenAPI document (serve/openapi/).
struct RouteBody {
  const char* request = nullptr;                // null: the body is not read
  const char* reply = nullptr;                  // in JSON; null: in another form
  const char* reply_type = "application/json";  // of what has no schema
  const char* event = nullptr;                  // of a stream; null: there are none
  const char* parameters = "";                  // of the query, with spaces between them
};

struct Route {
  const char* method;
  const char* path;  // "/v1/models/{model}": a name; that of a model may have slashes in it
  Dialect dialect;
  Scope scope;
  void (*handle)(const Call& call);
  const char* summary;
  RouteBody body;
};

std::span<const Route> routes();

struct RouteMatch {
  const Route* route = nullptr;
  std::string argument;
  std::string allowed;  // where the path is known, but not for this method: "GET, POST"
};
RouteMatch find_route(std::string_view method, std::string_view path);

// The form of errors where no route says it.
Dialect dialect_of(std::string_view path);

}  // namespace minim::serve
