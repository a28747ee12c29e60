// What is served, as one table: the paths, who may ask, and in which form errors are told.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "serve/api_keys.h"
#include "serve/call.h"

namespace minim::serve {

struct Route {
  const char* method;
  const char* path;  // "/v1/models/{model}": a name; that of a model may have slashes in it
  Dialect dialect;
  Scope scope;
  void (*handle)(const Call& call);
  const char* summary;
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
