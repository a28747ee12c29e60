#include "base/system_random.h"

#include <sys/random.h>

#include <cerrno>

#include "base/error.h"

namespace minim {

uint64_t system_random() {
  uint64_t value = 0;
  // So few bytes come whole or not at all.
  while (::getrandom(&value, sizeof(value), 0) != static_cast<ssize_t>(sizeof(value))) {
    if (errno != EINTR) throw Error(ErrorCode::kIo, "the system gives no random numbers");
  }
  return value;
}

}  // namespace minim
