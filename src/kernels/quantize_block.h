// What the quantizers of all block types share: a block of numbers brought to a safe size, its
// weights, and scales as halves.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "base/half.h"
#include "kernels/block_types.h"
#include "kernels/quantize_search.h"

namespace minim::kernels {

constexpr float kHalfMax = 65504.0f;

// The nearest half, saturating; NaN becomes a number too.
inline HalfBits scale_to_half(float scale) {
  return float_to_half(clamp_number(scale, -kHalfMax, kHalfMax));
}

// Values divided by a power of two, so that |x| < 2 and no square over- or underflows, and the
// weights of their errors.
struct ScaledBlock {
  float x[kSuperBlock];
  float weights[kSuperBlock];
  float unit;  // value = x * unit

  // The half that is stored for a scale of x, and what a stored half is worth for x.
  HalfBits to_half(float scale) const { return scale_to_half(scale * unit); }
  float from_half(HalfBits bits) const { return half_to_float(bits) / unit; }
};

// Errors weigh importance * sqrt(mean x^2 + x^2): large values count more, small ones still count.
// False where every value is so small that no half could scale it (or none is finite).
inline bool scale_block(const float* values, const float* importance, int count,
                        ScaledBlock& block) {
  constexpr float kSmallest = 0x1p-100f;  // far below every half over 127 * 128 steps
  constexpr float kLargest = 3.4028235e38f;
  constexpr float kFloor = 1e-6f;  // so that a group without importance keeps its shape
  float peak = 0.0f;
  float importance_max = 0.0f;
  for (int i = 0; i < count; ++i) {
    peak = std::max(peak, std::fabs(values[i]));
    if (importance != nullptr) importance_max = std::max(importance_max, importance[i]);
  }
  if (!(peak >= kSmallest && peak <= kLargest)) return false;
  block.unit = std::ldexp(1.0f, std::ilogb(peak));
  const float inverse = 1.0f / block.unit;
  float sum_squares = 0.0f;
  for (int i = 0; i < count; ++i) {
    block.x[i] = values[i] * inverse;
    sum_squares += block.x[i] * block.x[i];
  }
  const float mean_square = sum_squares / static_cast<float>(count);
  const bool weighted = importance_max > 0.0f && importance_max <= kLargest;
  for (int i = 0; i < count; ++i) {
    const float share =
        weighted ? clamp_number(importance[i] / importance_max, kFloor, 1.0f) : 1.0f;
    block.weights[i] = share * std::sqrt(mean_square + block.x[i] * block.x[i]);
  }
  return true;
}

}  // namespace minim::kernels
