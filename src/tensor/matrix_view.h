// Activations: row-major float matrices that somebody else owns.
#pragma once

#include <cstdint>

#include "base/error.h"

namespace minim {

template <typename T>
struct BasicMatrixView {
  T* data = nullptr;
  int64_t rows = 0;
  int64_t cols = 0;
  int64_t stride = 0;  // values from one row to the next

  T* row(int64_t index) const {
    MINIM_DCHECK(index >= 0 && index < rows);
    return data + index * stride;
  }
  BasicMatrixView row_range(int64_t begin, int64_t count) const {
    MINIM_DCHECK(begin >= 0 && count >= 0 && begin + count <= rows);
    return {data + begin * stride, count, cols, stride};
  }
  BasicMatrixView col_range(int64_t begin, int64_t count) const {
    MINIM_DCHECK(begin >= 0 && count >= 0 && begin + count <= cols);
    return {data + begin, rows, count, stride};
  }
  operator BasicMatrixView<const T>() const { return {data, rows, cols, stride}; }
};

using MatrixView = BasicMatrixView<float>;
using ConstMatrixView = BasicMatrixView<const float>;

}  // namespace minim
