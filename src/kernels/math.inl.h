// Elementary functions on vectors. The polynomials are minimax fits (Remez) made for these ranges.
#pragma once

#include "kernels/simd/attributes.h"

namespace minim::kernels::MINIM_ISA {
namespace {

// e^x within 2 units in the last place; infinity above 88.73, gradual underflow to 0 below.
MINIM_INLINE V::F exponential(V::F x) {
  // 2^129 overflows and 2^-151 underflows in scale_by_power; NaN passes both bounds.
  x = V::min(V::set(89.0f), V::max(V::set(-105.0f), x));
  const V::F n = V::round(V::mul(x, V::set(0x1.715476p+0f)));  // x / ln 2
  V::F r = V::fma(n, V::set(-0x1.62e43p-1f), x);               // ln 2 in two parts
  r = V::fma(n, V::set(0x1.05c61p-29f), r);
  V::F p = V::set(0x1.6db426p-10f);
  p = V::fma(p, r, V::set(0x1.123b56p-7f));
  p = V::fma(p, r, V::set(0x1.55545ep-5f));
  p = V::fma(p, r, V::set(0x1.55548ep-3f));
  p = V::fma(p, r, V::set(0.5f));
  p = V::fma(V::mul(p, r), r, r);
  return V::scale_by_power(V::add(p, V::set(1.0f)), n);
}

MINIM_INLINE V::F sigmoid(V::F x) {
  const V::F one = V::set(1.0f);
  return V::div(one, V::add(one, exponential(V::sub(V::zero(), x))));
}

MINIM_INLINE V::F hyperbolic_tangent(V::F x) {
  const V::F magnitude = V::abs(x);
  const V::F square = V::mul(x, x);
  V::F p = V::set(-0.005679316f);
  p = V::fma(p, square, V::set(0.020618133f));
  p = V::fma(p, square, V::set(-0.053734004f));
  p = V::fma(p, square, V::set(0.13331383f));
  p = V::fma(p, square, V::set(-0.3333328f));
  const V::F small = V::fma(V::mul(p, square), x, x);
  const V::F power = exponential(V::add(magnitude, magnitude));
  const V::F large = V::sub(V::set(1.0f), V::div(V::set(2.0f), V::add(power, V::set(1.0f))));
  return V::select(V::less(magnitude, V::set(0.625f)), small, V::copy_sign(large, x));
}

MINIM_INLINE V::F error_function(V::F x) {
  const V::F square = V::mul(x, x);
  V::F p = V::set(8.185231e-05f);
  p = V::fma(p, square, V::set(-0.00080977444f));
  p = V::fma(p, square, V::set(0.005196957f));
  p = V::fma(p, square, V::set(-0.026857708f));
  p = V::fma(p, square, V::set(0.112836644f));
  p = V::fma(p, square, V::set(-0.37612632f));
  p = V::fma(p, square, V::set(1.1283792f));
  const V::F small = V::mul(p, x);
  // 1 - exp(-g(|x|)), which is 1 in float from 3.93 on. NaN survives in `small`.
  const V::F magnitude = V::min(V::abs(x), V::set(4.0f));
  V::F g = V::set(6.628204e-07f);
  g = V::fma(g, magnitude, V::set(1.232989e-05f));
  g = V::fma(g, magnitude, V::set(-0.000384785f));
  g = V::fma(g, magnitude, V::set(0.004013395f));
  g = V::fma(g, magnitude, V::set(-0.024812791f));
  g = V::fma(g, magnitude, V::set(0.1079057f));
  g = V::fma(g, magnitude, V::set(0.6336273f));
  g = V::fma(g, magnitude, V::set(1.129397f));
  g = V::fma(g, magnitude, V::set(-0.00015338219f));
  const V::F large = V::sub(V::set(1.0f), exponential(V::sub(V::zero(), g)));
  return V::select(V::less(V::set(0.93f), V::abs(x)), V::copy_sign(large, x), small);
}

// Sine and cosine of position * frequency, exact to about 1e-7 for angles up to 1e6: the product is
// kept in two floats and reduced by pi / 2 in three (Cody and Waite, 1980).
MINIM_INLINE void sine_cosine_of_product(V::F position, V::F frequency, V::F& sine, V::F& cosine) {
  const V::F angle = V::mul(position, frequency);
  const V::F rest = V::fma(position, frequency, V::sub(V::zero(), angle));
  const V::F n = V::round(V::mul(angle, V::set(0x1.45f306p-1f)));  // angle / (pi / 2)
  V::F r = V::fma(n, V::set(-0x1.921fb6p+0f), angle);
  r = V::add(r, V::fma(n, V::set(0x1.777a5cp-25f), rest));
  r = V::fma(n, V::set(0x1p-49f), r);
  const V::F square = V::mul(r, r);
  V::F s = V::set(-0.00019517235f);
  s = V::fma(s, square, V::set(0.008332178f));
  s = V::fma(s, square, V::set(-0.16666655f));
  s = V::fma(V::mul(s, square), r, r);
  V::F c = V::set(2.443838e-05f);
  c = V::fma(c, square, V::set(-0.0013887367f));
  c = V::fma(c, square, V::set(0.041666646f));
  c = V::fma(V::mul(c, square), square, V::fma(square, V::set(-0.5f), V::set(1.0f)));
  // The quadrant, 0 to 3: odd ones swap the two, 2 and 3 negate the sine, 1 and 2 the cosine.
  const V::F quarter = V::mul(n, V::set(0.25f));
  const V::F quadrant = V::mul(V::sub(quarter, V::floor(quarter)), V::set(4.0f));
  const V::F half = V::mul(n, V::set(0.5f));
  const V::M odd = V::less(V::floor(half), half);
  const V::F zero = V::zero();
  sine = V::select(odd, c, s);
  cosine = V::select(odd, s, c);
  sine = V::select(V::less(V::set(1.5f), quadrant), V::sub(zero, sine), sine);
  const V::F from_middle = V::abs(V::sub(quadrant, V::set(1.5f)));
  cosine = V::select(V::less(from_middle, V::set(1.0f)), V::sub(zero, cosine), cosine);
}

}  // namespace
}  // namespace minim::kernels::MINIM_ISA
