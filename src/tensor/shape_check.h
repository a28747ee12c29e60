// Shapes are checked where an operation begins: kernels trust them.
#pragma once

#include <fmt/core.h>

#include "base/error.h"
#include "tensor/matrix_view.h"

namespace minim {

// Throws kInvalidArgument with the formatted message where `condition` does not hold.
template <typename... Arguments>
void require_shape(bool condition, fmt::format_string<Arguments...> message,
                   Arguments&&... arguments) {
  if (condition) return;
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format(message, std::forward<Arguments>(arguments)...));
}

inline void require_same_shape(const char* operation, ConstMatrixView a, ConstMatrixView b) {
  require_shape(a.rows == b.rows && a.cols == b.cols, "{}: [{}, {}] does not go with [{}, {}]",
                operation, a.rows, a.cols, b.rows, b.cols);
}

}  // namespace minim
