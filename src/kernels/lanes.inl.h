// Rows of values that need not be whole vectors.
#pragma once

#include "kernels/simd/attributes.h"

namespace minim::kernels::MINIM_ISA {
namespace {

// How many lanes of vector v are among the first `rows`.
MINIM_INLINE int lanes_left(int rows, int v) {
  const int left = rows - v * V::kLanes;
  return left < 0 ? 0 : left < V::kLanes ? left : V::kLanes;
}

MINIM_INLINE void store_rows(float* out, V::F values, int lanes) {
  if (lanes == V::kLanes) {
    V::store(out, values);
  } else if (lanes > 0) {
    V::store_partial(out, values, lanes);
  }
}

// out[i] = function(x[i]) over whole vectors and what is left. x and out may be the same.
template <typename Function>
MINIM_INLINE void map_row(const float* x, float* out, int64_t count, Function function) {
  int64_t i = 0;
  for (; i + V::kLanes <= count; i += V::kLanes) V::store(out + i, function(V::load(x + i)));
  if (const int rest = static_cast<int>(count - i); rest > 0) {
    V::store_partial(out + i, function(V::load_partial(x + i, rest)), rest);
  }
}

template <typename Function>
MINIM_INLINE void map_rows(const float* x, const float* y, float* out, int64_t count,
                           Function function) {
  int64_t i = 0;
  for (; i + V::kLanes <= count; i += V::kLanes) {
    V::store(out + i, function(V::load(x + i), V::load(y + i)));
  }
  if (const int rest = static_cast<int>(count - i); rest > 0) {
    const V::F result = function(V::load_partial(x + i, rest), V::load_partial(y + i, rest));
    V::store_partial(out + i, result, rest);
  }
}

// In whole cache lines.
MINIM_INLINE int64_t whole_lines(int64_t bytes) { return (bytes + 63) / 64 * 64; }

}  // namespace
}  // namespace minim::kernels::MINIM_ISA
