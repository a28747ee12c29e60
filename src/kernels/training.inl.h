// The way back through activations, norms and softmax, row by row.
#pragma once

#include "kernels/kernel_table.h"
#include "kernels/lanes.inl.h"
#include "kernels/math.inl.h"
#include "kernels/rows.inl.h"

namespace minim::kernels::MINIM_ISA {
namespace {

void add_scaled_row(float factor, const float* x, float* out, int64_t count) noexcept {
  const V::F by = V::set(factor);
  map_rows(x, out, out, count, [by](V::F a, V::F o) { return V::fma(by, a, o); });
}

// body(at, lanes): lanes is V::kLanes or, in the last call, what is left.
template <typename Body>
MINIM_INLINE void for_vectors(int64_t count, Body body) {
  int64_t i = 0;
  for (; i + V::kLanes <= count; i += V::kLanes) body(i, V::kLanes);
  if (const int rest = static_cast<int>(count - i); rest > 0) body(i, rest);
}

MINIM_INLINE V::F load_lanes(const float* p, int lanes) {
  return lanes == V::kLanes ? V::load(p) : V::load_partial(p, lanes);
}

void add_product_row(const float* x, const float* y, float* out, int64_t count) noexcept {
  for_vectors(count, [&](int64_t i, int lanes) {
    const V::F sum =
        V::fma(load_lanes(x + i, lanes), load_lanes(y + i, lanes), load_lanes(out + i, lanes));
    store_rows(out + i, sum, lanes);
  });
}

float dot_row(const float* x, const float* y, int64_t count) noexcept {
  V::F even = V::zero();
  V::F odd = V::zero();
  int64_t i = 0;
  for (; i + 2 * V::kLanes <= count; i += 2 * V::kLanes) {
    even = V::fma(V::load(x + i), V::load(y + i), even);
    odd = V::fma(V::load(x + i + V::kLanes), V::load(y + i + V::kLanes), odd);
  }
  for (; i < count; i += V::kLanes) {
    const int rest = count - i < V::kLanes ? static_cast<int>(count - i) : V::kLanes;
    even = V::fma(V::load_partial(x + i, rest), V::load_partial(y + i, rest), even);
  }
  return V::reduce_add(V::add(even, odd));
}

float softmax_numerators_row(float offset, float* x, int64_t count) noexcept {
  const V::F shift = V::set(offset);
  V::F sums = V::zero();
  const int64_t whole = count / V::kLanes * V::kLanes;
  for (int64_t i = 0; i < whole; i += V::kLanes) {
    const V::F value = exponential(V::sub(V::load(x + i), shift));
    V::store(x + i, value);
    sums = V::add(sums, value);
  }
  float sum = V::reduce_add(sums);
  if (const int rest = static_cast<int>(count - whole); rest > 0) {
    V::store_partial(x + whole, exponential(V::sub(V::load_partial(x + whole, rest), shift)), rest);
    for (int64_t i = whole; i < count; ++i) sum += x[i];
  }
  return sum;
}

void softmax_gradient_row(const float* probabilities, float mean, float* gradient,
                          int64_t count) noexcept {
  const V::F shift = V::set(mean);
  map_rows(probabilities, gradient, gradient, count,
           [shift](V::F p, V::F g) { return V::mul(p, V::sub(g, shift)); });
}

void soft_cap_gradient_row(float cap, const float* capped, float* gradient,
                           int64_t count) noexcept {
  const V::F limit = V::set(cap);
  map_rows(capped, gradient, gradient, count, [limit](V::F y, V::F g) {
    const V::F tanh = V::div(y, limit);
    return V::mul(g, V::sub(V::set(1.0f), V::mul(tanh, tanh)));
  });
}

// f(x) and f'(x) together.
struct Slope {
  V::F value;
  V::F slope;
};
struct SiluSlope {
  Slope operator()(V::F x) const {
    const V::F s = sigmoid(x);
    const V::F value = V::mul(x, s);
    return {value, V::fma(value, V::sub(V::set(1.0f), s), s)};  // s + x s (1 - s)
  }
};
struct GeluTanhSlope {
  Slope operator()(V::F x) const {
    const V::F square = V::mul(x, x);
    const V::F cubic = V::fma(V::mul(V::set(0.044715f), square), x, x);
    const V::F tanh = hyperbolic_tangent(V::mul(V::set(0.7978845608f), cubic));
    const V::F one = V::set(1.0f);
    const V::F half = V::set(0.5f);
    const V::F inner = V::mul(V::set(0.7978845608f), V::fma(V::set(0.134145f), square, one));
    const V::F half_x = V::mul(half, x);
    const V::F rise = V::mul(V::mul(half_x, V::sub(one, V::mul(tanh, tanh))), inner);
    return {V::mul(half_x, V::add(one, tanh)), V::fma(half, V::add(one, tanh), rise)};
  }
};
struct GeluErfSlope {
  Slope operator()(V::F x) const {
    const V::F erf = error_function(V::mul(x, V::set(0.7071067812f)));
    const V::F half = V::set(0.5f);
    const V::F below = V::mul(half, V::add(V::set(1.0f), erf));
    const V::F density =
        V::mul(V::set(0.3989422804f), exponential(V::mul(V::mul(V::set(-0.5f), x), x)));
    return {V::mul(x, below), V::fma(x, density, below)};
  }
};
struct ReluSquaredSlope {
  Slope operator()(V::F x) const {
    const V::F positive = V::max(V::zero(), x);
    return {V::mul(positive, positive), V::add(positive, positive)};
  }
};

template <typename Function>
MINIM_INLINE void activate_gradient_with(const float* x, float* gradient, int64_t count,
                                         Function function) {
  map_rows(x, gradient, gradient, count,
           [function](V::F a, V::F g) { return V::mul(g, function(a).slope); });
}

void activate_gradient_row(Activation activation, const float* x, float* gradient,
                           int64_t count) noexcept {
  switch (activation) {
    case Activation::kSilu: return activate_gradient_with(x, gradient, count, SiluSlope());
    case Activation::kGeluTanh: return activate_gradient_with(x, gradient, count, GeluTanhSlope());
    case Activation::kGeluErf: return activate_gradient_with(x, gradient, count, GeluErfSlope());
    case Activation::kReluSquared:
      return activate_gradient_with(x, gradient, count, ReluSquaredSlope());
  }
}

struct GatedRows {
  const float* gate;
  const float* up;
  const float* out_gradient;
  float* gate_gradient;
  float* up_gradient;
  int64_t count;
};

template <typename Function>
MINIM_INLINE void gated_gradient_with(const GatedRows& rows, Function function) {
  for_vectors(rows.count, [&](int64_t i, int lanes) {
    const Slope f = function(load_lanes(rows.gate + i, lanes));
    const V::F g = load_lanes(rows.out_gradient + i, lanes);
    const V::F up = load_lanes(rows.up + i, lanes);
    store_rows(rows.gate_gradient + i, V::mul(V::mul(g, up), f.slope), lanes);
    store_rows(rows.up_gradient + i, V::mul(g, f.value), lanes);
  });
}

void gated_activate_gradient_row(Activation activation, const float* gate, const float* up,
                                 const float* out_gradient, float* gate_gradient,
                                 float* up_gradient, int64_t count) noexcept {
  const GatedRows rows = {gate, up, out_gradient, gate_gradient, up_gradient, count};
  switch (activation) {
    case Activation::kSilu: return gated_gradient_with(rows, SiluSlope());
    case Activation::kGeluTanh: return gated_gradient_with(rows, GeluTanhSlope());
    case Activation::kGeluErf: return gated_gradient_with(rows, GeluErfSlope());
    case Activation::kReluSquared: return gated_gradient_with(rows, ReluSquaredSlope());
  }
}

// gradient (+)= factor * (weight * g - unit * share), unit = (x - mean) * factor, and the gradients
// of weight and bias.
MINIM_INLINE void store_norm_gradient(const NormGradientSlice& s, float mean, float factor,
                                      float share, float offset) {
  const V::F shift = V::set(mean);
  const V::F by = V::set(factor);
  const V::F slope = V::set(share);
  const V::F level = V::set(offset);
  for_vectors(s.count, [&](int64_t i, int lanes) {
    const V::F g = load_lanes(s.out_gradient + i, lanes);
    const V::F unit = V::mul(V::sub(load_lanes(s.x + i, lanes), shift), by);
    const V::F scaled = V::mul(g, load_lanes(s.weight + i, lanes));
    V::F d = V::mul(by, V::sub(V::sub(scaled, level), V::mul(unit, slope)));
    if (s.accumulate) d = V::add(load_lanes(s.gradient + i, lanes), d);
    if (s.weight_gradient != nullptr) {
      float* to = s.weight_gradient + i;
      store_rows(to, V::fma(g, unit, load_lanes(to, lanes)), lanes);
    }
    if (s.bias_gradient != nullptr) {
      float* to = s.bias_gradient + i;
      store_rows(to, V::add(g, load_lanes(to, lanes)), lanes);
    }
    store_rows(s.gradient + i, d, lanes);
  });
}

void rms_norm_gradient_row(const NormGradientSlice& s) noexcept {
  V::F squares = V::zero();
  V::F products = V::zero();
  for_vectors(s.count, [&](int64_t i, int lanes) {
    const V::F x = load_lanes(s.x + i, lanes);
    const V::F g = V::mul(load_lanes(s.out_gradient + i, lanes), load_lanes(s.weight + i, lanes));
    squares = V::fma(x, x, squares);
    products = V::fma(g, x, products);
  });
  const auto count = static_cast<float>(s.count);
  const float factor = 1.0f / __builtin_sqrtf(V::reduce_add(squares) / count + s.epsilon);
  store_norm_gradient(s, 0.0f, factor, V::reduce_add(products) * factor / count, 0.0f);
}

void layer_norm_gradient_row(const NormGradientSlice& s) noexcept {
  const auto count = static_cast<float>(s.count);
  const float mean = sum_row(s.x, s.count, [](V::F a) { return a; }) / count;
  V::F squares = V::zero();
  V::F products = V::zero();
  V::F sums = V::zero();
  for_vectors(s.count, [&](int64_t i, int lanes) {
    // The lanes past the end would each count as -mean.
    float centred[V::kLanes] = {};
    for (int lane = 0; lane < lanes; ++lane) centred[lane] = s.x[i + lane] - mean;
    const V::F x = V::load(centred);
    const V::F g = V::mul(load_lanes(s.out_gradient + i, lanes), load_lanes(s.weight + i, lanes));
    squares = V::fma(x, x, squares);
    products = V::fma(g, x, products);
    sums = V::add(g, sums);
  });
  const float factor = 1.0f / __builtin_sqrtf(V::reduce_add(squares) / count + s.epsilon);
  store_norm_gradient(s, mean, factor, V::reduce_add(products) * factor / count,
                      V::reduce_add(sums) / count);
}

constexpr TrainingKernels make_training_kernels() {
  return {.add_scaled = add_scaled_row,
          .add_product = add_product_row,
          .dot = dot_row,
          .softmax_numerators = softmax_numerators_row,
          .softmax_gradient = softmax_gradient_row,
          .soft_cap_gradient = soft_cap_gradient_row,
          .activate_gradient = activate_gradient_row,
          .gated_activate_gradient = gated_activate_gradient_row,
          .rms_norm_gradient = rms_norm_gradient_row,
          .layer_norm_gradient = layer_norm_gradient_row};
}

}  // namespace
}  // namespace minim::kernels::MINIM_ISA
