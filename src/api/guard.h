// The border of the C ABI: what is thrown inside becomes a status and a message outside.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

#include "minim/minim.h"

namespace minim::api {

// For statuses that the rooms below do not know: busy, out of memory.
class Failure : public std::runtime_error {
 public:
  Failure(minim_status status, const std::string& message)
      : std::runtime_error(message), status_(status) {}
  minim_status status() const { return status_; }

 private:
  minim_status status_;
};

// `error` may be null. A message that is too long ends at a whole character.
void set_error(minim_error* error, minim_status status, const char* message) noexcept;
// The status of the exception that is being handled, and its message.
minim_status report_exception(minim_error* error) noexcept;

// Every function of the ABI that can fail is one body in here.
template <typename Body>
minim_status guard(minim_error* error, Body&& body) noexcept {
  try {
    std::forward<Body>(body)();
  } catch (...) {
    return report_exception(error);
  }
  set_error(error, MINIM_OK, "");
  return MINIM_OK;
}

}  // namespace minim::api
