// Result<T>: an ordinary answer that may be a refusal. For failures that end the job, throw Error.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "base/error.h"

namespace minim {

template <typename T>
class Result {
 public:
  Result(T value) : value_(std::move(value)) {}
  Result(Error error) : error_(std::move(error)) {}

  bool ok() const { return value_.has_value(); }
  explicit operator bool() const { return ok(); }

  // REQUIRES: !ok().
  const Error& error() const { return *error_; }

  // The value; throws the error if there is none.
  const T& value() const& {
    if (!ok()) throw *error_;
    return *value_;
  }
  T&& value() && {
    if (!ok()) throw *error_;
    return *std::move(value_);
  }

 private:
  std::optional<T> value_;
  std::optional<Error> error_;
};

}  // namespace minim
