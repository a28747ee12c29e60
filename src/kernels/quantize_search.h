// How quantize_row looks for scales: many candidate scales are tried at once, one a lane, so that
// the loops vectorise without reordering any sum. For the codes that a candidate rounds to, the
// best scale is the solution of a weighted least-squares problem; the candidate whose solution
// leaves the least error wins. The codes then belong to that scale, rounded once more.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "kernels/block_types.h"

namespace minim::kernels {

constexpr int kLanes = 16;

// Ties to even; exact for |value| < 2^22. Needs no instruction beyond addition.
inline float round_small(float value) { return (value + 0x1.8p23f) - 0x1.8p23f; }

// NaN becomes `low`.
inline float clamp_number(float value, float low, float high) {
  value = value > low ? value : low;
  return value < high ? value : high;
}

// A grid is the set of numbers that a code stands for before it is multiplied by a scale. All give
//   kLow, kHigh           its smallest and largest number
//   kReach                how far around its ends the largest value may be put
//   nearest(v)            the number of the grid nearest to v
//   code(v)               the stored code of that number

// The whole numbers kFrom..kTo, stored with kFrom as code 0.
template <int kFrom, int kTo>
struct WholeGrid {
  static constexpr float kLow = kFrom;
  static constexpr float kHigh = kTo;
  static constexpr float kReach = 0.9f;
  static float nearest(float v) { return round_small(clamp_number(v, kLow, kHigh)); }
  static int code(float v) { return static_cast<int>(nearest(v)) - kFrom; }
};

// 16 ascending levels of any spacing; a tie takes the lower level.
template <const auto& kLevels>
struct LevelGrid {
  static constexpr float kLow = kLevels[0];
  static constexpr float kHigh = kLevels[15];
  static constexpr float kReach = (kHigh - kLow) / 16.0f;
  static int code(float v) {
    int code = 0;
    for (int i = 0; i < 15; ++i) {
      code += v > 0.5f * (static_cast<float>(kLevels[i]) + static_cast<float>(kLevels[i + 1]));
    }
    return code;
  }
  // As the sum of the steps below v: no table look-up stands in the way of the lanes. Off by a
  // rounding error or two, which only matters to the choice between equally good scales.
  static float nearest(float v) {
    float level = kLow;
    for (int i = 0; i < 15; ++i) {
      const auto lower = static_cast<float>(kLevels[i]);
      const auto upper = static_cast<float>(kLevels[i + 1]);
      level += v > 0.5f * (lower + upper) ? upper - lower : 0.0f;
    }
    return level;
  }
};

using Iq4Grid = LevelGrid<kIq4Levels>;
using Nf4Grid = LevelGrid<kNf4Levels>;

// The scale s (of either sign) for which s * grid comes nearest to x. 0 where all x are 0.
// x is [count] with |x| <= 1, weights is [count], not negative.
template <typename Grid>
float search_scale(const float* x, const float* weights, int count) {
  float peak = 0.0f;
  for (int i = 0; i < count; ++i) {
    if (std::fabs(x[i]) > std::fabs(peak)) peak = x[i];
  }
  if (peak == 0.0f) return 0.0f;
  // The largest value goes near either end of the grid: a little beyond it, where clipping pays
  // off, up to well inside.
  float inverse[kLanes];
  constexpr int kHalf = kLanes / 2;
  for (int lane = 0; lane < kHalf; ++lane) {
    const float offset = Grid::kReach * (static_cast<float>(lane) / (kHalf - 1) * 2.0f - 1.0f);
    inverse[lane] = (Grid::kLow + offset) / peak;
    inverse[kHalf + lane] = (Grid::kHigh + offset) / peak;
  }
  float xq[kLanes] = {};
  float qq[kLanes] = {};
  for (int i = 0; i < count; ++i) {
    for (int lane = 0; lane < kLanes; ++lane) {
      const float q = Grid::nearest(x[i] * inverse[lane]);
      const float wq = weights[i] * q;
      xq[lane] += wq * x[i];
      qq[lane] += wq * q;
    }
  }
  float best = 0.0f;
  float best_gain = 0.0f;  // how much of sum w x^2 the candidate explains
  for (int lane = 0; lane < kLanes; ++lane) {
    const float gain = qq[lane] > 0.0f ? xq[lane] * xq[lane] / qq[lane] : 0.0f;
    if (gain > best_gain) {
      best_gain = gain;
      best = xq[lane] / qq[lane];
    }
  }
  return best;
}

// x is approximated by scale * q + minimum, q = 0..kTo.
struct AffineFit {
  float scale = 0.0f;
  float minimum = 0.0f;
};

// The least-squares scale and minimum for given sums; `minimum` is at most `minimum_max`.
struct AffineSums {
  float w = 0.0f, q = 0.0f, qq = 0.0f, x = 0.0f, xq = 0.0f;  // of w, w q, w q^2, w x, w x q

  AffineFit solve(float minimum_max) const {
    if (!(qq > 0.0f)) return {};
    const float determinant = w * qq - q * q;
    if (determinant > 1e-5f * w * qq) {
      const AffineFit fit{(w * xq - x * q) / determinant, (qq * x - q * xq) / determinant};
      if (fit.minimum <= minimum_max) return fit;
    } else {
      minimum_max = 0.0f;  // one code throughout: leave the minimum where it is
    }
    return {(xq - minimum_max * q) / qq, minimum_max};
  }
  // What the fit takes off sum w x^2.
  float gain(const AffineFit& fit) const {
    const float s = fit.scale;
    const float m = fit.minimum;
    return 2.0f * (s * xq + m * x) - s * s * qq - m * m * w - 2.0f * s * m * q;
  }
};

// x of one group and what its errors weigh.
struct AffineGroup {
  const float* x;
  const float* weights;
  int count;
  float low;          // fits approximate x - low, so that no sum cancels
  float minimum_max;  // the largest minimum of a fit
};

// Codes are the roundings of (x - low - offset) * inverse[lane].
struct AffineCandidates {
  float offset;
  float inverse[kLanes];
};

// A fit and how much of sum w (x - low)^2 it explains.
struct AffineChoice {
  AffineFit fit;
  float gain = 0.0f;
};

template <int kTo>
AffineChoice best_of(const AffineCandidates& candidates, const AffineGroup& group) {
  AffineSums common;
  float q_sum[kLanes] = {};
  float qq_sum[kLanes] = {};
  float xq_sum[kLanes] = {};
  for (int i = 0; i < group.count; ++i) {
    const float weight = group.weights[i];
    const float above = group.x[i] - group.low;
    const float rounded = above - candidates.offset;
    common.w += weight;
    common.x += weight * above;
    for (int lane = 0; lane < kLanes; ++lane) {
      const float q = WholeGrid<0, kTo>::nearest(rounded * candidates.inverse[lane]);
      const float wq = weight * q;
      q_sum[lane] += wq;
      qq_sum[lane] += wq * q;
      xq_sum[lane] += wq * above;
    }
  }
  AffineChoice best;
  for (int lane = 0; lane < kLanes; ++lane) {
    AffineSums sums = common;
    sums.q = q_sum[lane];
    sums.qq = qq_sum[lane];
    sums.xq = xq_sum[lane];
    const AffineFit fit = sums.solve(group.minimum_max);
    const float gain = sums.gain(fit);
    if (gain > best.gain) best = {fit, gain};
  }
  return best;
}

// The scale and minimum for which scale * (0..kTo) + minimum comes nearest to x. With
// `zero_in_range` the minimum is at most 0, as the K types store it. x and weights as above.
template <int kTo>
AffineFit search_affine(const float* x, const float* weights, int count, bool zero_in_range) {
  float low = zero_in_range ? 0.0f : x[0];
  float high = x[0];
  for (int i = 0; i < count; ++i) {
    low = std::min(low, x[i]);
    high = std::max(high, x[i]);
  }
  if (!(high > low)) return {0.0f, low};
  const AffineGroup group{x, weights, count, low, zero_in_range ? -low : high - low};
  // Candidates stretch the grid past the largest value (clipping) or keep it inside.
  AffineCandidates candidates;
  candidates.offset = 0.0f;
  for (int lane = 0; lane < kLanes; ++lane) {
    const float steps = static_cast<float>(kTo) - 0.9f + 0.12f * static_cast<float>(lane);
    candidates.inverse[lane] = steps / (high - low);
  }
  AffineChoice best = best_of<kTo>(candidates, group);
  if (best.fit.scale > 0.0f) {
    // Once more around the best, from its own minimum.
    candidates.offset = best.fit.minimum;
    for (int lane = 0; lane < kLanes; ++lane) {
      const float stretch = 1.0f + 0.2f / kTo * static_cast<float>(lane - kLanes / 2);
      candidates.inverse[lane] = stretch / best.fit.scale;
    }
    const AffineChoice second = best_of<kTo>(candidates, group);
    if (second.gain > best.gain) best = second;
  }
  best.fit.minimum += low;
  return best.fit;
}

}  // namespace minim::kernels
