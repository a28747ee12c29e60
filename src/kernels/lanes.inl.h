// Rows of an output that need not be whole vectors.
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

}  // namespace
}  // namespace minim::kernels::MINIM_ISA
