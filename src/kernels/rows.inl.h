// Kernels that work through a row of values: element by element, and norms.
#pragma once

#include "kernels/kernel_table.h"
#include "kernels/lanes.inl.h"
#include "kernels/math.inl.h"

namespace minim::kernels::MINIM_ISA {
namespace {

void add_row(const float* x, float* out, int64_t count) noexcept {
  map_rows(out, x, out, count, [](V::F a, V::F b) { return V::add(a, b); });
}

void scale_row(float factor, float* x, int64_t count) noexcept {
  const V::F by = V::set(factor);
  map_row(x, x, count, [by](V::F a) { return V::mul(a, by); });
}

void exponential_row(float* x, int64_t count) noexcept {
  map_row(x, x, count, [](V::F a) { return exponential(a); });
}

MINIM_INLINE V::F soft_capped(V::F x, V::F cap) {
  return V::mul(cap, hyperbolic_tangent(V::div(x, cap)));
}

void soft_cap_row(float cap, float* x, int64_t count) noexcept {
  const V::F limit = V::set(cap);
  map_row(x, x, count, [limit](V::F a) { return soft_capped(a, limit); });
}

struct Silu {
  V::F operator()(V::F x) const { return V::mul(x, sigmoid(x)); }
};
struct GeluTanh {  // x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3)))
  V::F operator()(V::F x) const {
    const V::F cubic = V::fma(V::mul(V::set(0.044715f), V::mul(x, x)), x, x);
    const V::F tanh = hyperbolic_tangent(V::mul(V::set(0.7978845608f), cubic));
    return V::mul(V::mul(V::set(0.5f), x), V::add(V::set(1.0f), tanh));
  }
};
struct GeluErf {  // x / 2 * (1 + erf(x / sqrt(2)))
  V::F operator()(V::F x) const {
    const V::F erf = error_function(V::mul(x, V::set(0.7071067812f)));
    return V::mul(V::mul(V::set(0.5f), x), V::add(V::set(1.0f), erf));
  }
};
struct ReluSquared {
  V::F operator()(V::F x) const {
    const V::F positive = V::max(V::zero(), x);
    return V::mul(positive, positive);
  }
};

void activate_row(Activation activation, float* x, int64_t count) noexcept {
  switch (activation) {
    case Activation::kSilu: return map_row(x, x, count, Silu());
    case Activation::kGeluTanh: return map_row(x, x, count, GeluTanh());
    case Activation::kGeluErf: return map_row(x, x, count, GeluErf());
    case Activation::kReluSquared: return map_row(x, x, count, ReluSquared());
  }
}

template <typename Function>
MINIM_INLINE void gate_row(float* gate, const float* up, int64_t count, Function function) {
  map_rows(gate, up, gate, count, [function](V::F a, V::F b) { return V::mul(function(a), b); });
}

void gated_activate_row(Activation activation, float* gate, const float* up,
                        int64_t count) noexcept {
  switch (activation) {
    case Activation::kSilu: return gate_row(gate, up, count, Silu());
    case Activation::kGeluTanh: return gate_row(gate, up, count, GeluTanh());
    case Activation::kGeluErf: return gate_row(gate, up, count, GeluErf());
    case Activation::kReluSquared: return gate_row(gate, up, count, ReluSquared());
  }
}

// The sum of function(x[i]), in two vectors of partial sums. REQUIRES: function(0) = 0 unless the
// lanes past the end are masked by `function` itself.
template <typename Function>
MINIM_INLINE float sum_row(const float* x, int64_t count, Function function) {
  V::F even = V::zero();
  V::F odd = V::zero();
  int64_t i = 0;
  for (; i + 2 * V::kLanes <= count; i += 2 * V::kLanes) {
    even = V::add(even, function(V::load(x + i)));
    odd = V::add(odd, function(V::load(x + i + V::kLanes)));
  }
  for (; i < count; i += V::kLanes) {
    const int rest = count - i < V::kLanes ? static_cast<int>(count - i) : V::kLanes;
    even = V::add(even, function(V::load_partial(x + i, rest)));
  }
  return V::reduce_add(V::add(even, odd));
}

// In four vectors, so that the next one need not wait for the last.
float maximum_row(const float* x, int64_t count) noexcept {
  constexpr int kVectors = 4;
  const V::F least = V::set(-__builtin_inff());
  V::F largest[kVectors] = {least, least, least, least};
  int64_t i = 0;
  for (; i + kVectors * V::kLanes <= count; i += kVectors * V::kLanes) {
    for (int v = 0; v < kVectors; ++v) {
      largest[v] = V::max(V::load(x + i + v * V::kLanes), largest[v]);  // NaN passes by
    }
  }
  const V::F pairs = V::max(V::max(largest[0], largest[1]), V::max(largest[2], largest[3]));
  float maximum = V::reduce_max(pairs);
  for (; i < count; ++i) maximum = x[i] > maximum ? x[i] : maximum;
  return maximum;
}

float exponential_sum_row(const float* x, float offset, int64_t count) noexcept {
  const V::F shift = V::set(offset);
  const int64_t whole = count / V::kLanes * V::kLanes;
  float sum = sum_row(x, whole, [shift](V::F a) { return exponential(V::sub(a, shift)); });
  if (const int rest = static_cast<int>(count - whole); rest > 0) {
    float last[V::kLanes];
    V::store(last, exponential(V::sub(V::load_partial(x + whole, rest), shift)));
    for (int i = 0; i < rest; ++i) sum += last[i];
  }
  return sum;
}

void softmax_row(float* x, int64_t count) noexcept {
  const V::F shift = V::set(maximum_row(x, count));
  map_row(x, x, count, [shift](V::F a) { return exponential(V::sub(a, shift)); });
  const float sum = sum_row(x, count, [](V::F a) { return a; });
  scale_row(1.0f / sum, x, count);
}

void rms_norm_row(const float* x, const float* weight, float epsilon, float* out,
                  int64_t count) noexcept {
  const float squares = sum_row(x, count, [](V::F a) { return V::mul(a, a); });
  const float mean = squares / static_cast<float>(count);
  const V::F factor = V::set(1.0f / __builtin_sqrtf(mean + epsilon));
  map_rows(x, weight, out, count,
           [factor](V::F a, V::F w) { return V::mul(V::mul(a, factor), w); });
}

void layer_norm_row(const float* x, const float* weight, const float* bias, float epsilon,
                    float* out, int64_t count) noexcept {
  const auto values = static_cast<float>(count);
  const float mean = sum_row(x, count, [](V::F a) { return a; }) / values;
  const V::F shift = V::set(-mean);
  // The lanes past the end would each add mean^2: the centred row is written first.
  map_row(x, out, count, [shift](V::F a) { return V::add(a, shift); });
  const float squares = sum_row(out, count, [](V::F a) { return V::mul(a, a); });
  const V::F factor = V::set(1.0f / __builtin_sqrtf(squares / values + epsilon));
  map_rows(out, weight, out, count,
           [factor](V::F a, V::F w) { return V::mul(V::mul(a, factor), w); });
  add_row(bias, out, count);
}

void store_half_row(const float* x, void* out, int64_t count) noexcept {
  auto* to = static_cast<char*>(out);
  int64_t i = 0;
  for (; i + V::kLanes <= count; i += V::kLanes) V::store_half(to + 2 * i, V::load(x + i));
  if (const int rest = static_cast<int>(count - i); rest > 0) {
    uint16_t lanes[V::kLanes];
    V::store_half(lanes, V::load_partial(x + i, rest));
    __builtin_memcpy(to + 2 * i, lanes, static_cast<size_t>(rest) * sizeof(uint16_t));
  }
}

// ---- rotary position embedding -----------------------------------------------------------------

// Rotates lanes of pairs of one head, `rest` of which exist.
MINIM_INLINE void rotate_halves(float* first, float* second, V::F sine, V::F cosine, int rest) {
  const V::F a = V::load_partial(first, rest);
  const V::F b = V::load_partial(second, rest);
  V::store_partial(first, V::sub(V::mul(a, cosine), V::mul(b, sine)), rest);
  V::store_partial(second, V::add(V::mul(a, sine), V::mul(b, cosine)), rest);
}

MINIM_INLINE void rotate_adjacent(float* x, V::F sine, V::F cosine, int rest) {
  float padded[2 * V::kLanes] = {};
  float* at = x;
  const size_t bytes = static_cast<size_t>(rest) * 2 * sizeof(float);
  if (rest < V::kLanes) {
    at = padded;
    __builtin_memcpy(padded, x, bytes);
  }
  V::F a;
  V::F b;
  V::load_pairs(at, a, b);
  V::store_pairs(at, V::sub(V::mul(a, cosine), V::mul(b, sine)),
                 V::add(V::mul(a, sine), V::mul(b, cosine)));
  if (rest < V::kLanes) __builtin_memcpy(x, padded, bytes);
}

void rope_heads(const RopeSlice& slice) noexcept {
  const V::F position = V::set(slice.position);
  const V::F magnitude = V::set(slice.magnitude);
  for (int pair = 0; pair < slice.pair_count; pair += V::kLanes) {
    const int rest = slice.pair_count - pair < V::kLanes ? slice.pair_count - pair : V::kLanes;
    V::F sine;
    V::F cosine;
    sine_cosine_of_product(position, V::load_partial(slice.frequencies + pair, rest), sine, cosine);
    sine = V::mul(sine, magnitude);
    cosine = V::mul(cosine, magnitude);
    float* head = slice.x;
    for (int i = 0; i < slice.head_count; ++i, head += slice.head_dim) {
      if (slice.pairing == RopePairing::kHalves) {
        rotate_halves(head + pair, head + slice.pair_count + pair, sine, cosine, rest);
      } else {
        rotate_adjacent(head + 2 * pair, sine, cosine, rest);
      }
    }
  }
}

}  // namespace
}  // namespace minim::kernels::MINIM_ISA
