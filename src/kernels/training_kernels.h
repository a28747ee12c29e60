// What training computes row by row beyond what running a model needs: mostly the way back.
// Included by the files of every instruction set: declarations only, no inline code.
#pragma once

#include <cstdint>

namespace minim::kernels {

enum class Activation;

// The way back through a norm of one row: y = norm(x) * weight (+ bias).
struct NormGradientSlice {
  const float* x = nullptr;
  const float* weight = nullptr;
  const float* out_gradient = nullptr;  // of y
  float epsilon = 0;
  float* gradient = nullptr;         // of x; added to where `accumulate` says so
  float* weight_gradient = nullptr;  // added to; null: not wanted
  float* bias_gradient = nullptr;    // likewise, of layer_norm_gradient()
  int64_t count = 0;
  bool accumulate = false;
};

// Rows of `count` values. What is written may be what is read of the same kind.
struct TrainingKernels {
  void (*add_scaled)(float factor, const float* x, float* out, int64_t count) noexcept;
  // out += x * y
  void (*add_product)(const float* x, const float* y, float* out, int64_t count) noexcept;
  float (*dot)(const float* x, const float* y, int64_t count) noexcept;
  // x = e^(x - offset); returns the sum of what it wrote.
  float (*softmax_numerators)(float offset, float* x, int64_t count) noexcept;
  // gradient = probabilities * (gradient - mean), the way back through softmax where `mean` is the
  // sum of probabilities * gradient.
  void (*softmax_gradient)(const float* probabilities, float mean, float* gradient,
                           int64_t count) noexcept;
  // gradient *= 1 - (capped / cap)^2
  void (*soft_cap_gradient)(float cap, const float* capped, float* gradient,
                            int64_t count) noexcept;
  // gradient *= f'(x)
  void (*activate_gradient)(Activation activation, const float* x, float* gradient,
                            int64_t count) noexcept;
  // h = f(gate) * up: from the gradient of h to those of gate and up.
  void (*gated_activate_gradient)(Activation activation, const float* gate, const float* up,
                                  const float* out_gradient, float* gate_gradient,
                                  float* up_gradient, int64_t count) noexcept;
  void (*rms_norm_gradient)(const NormGradientSlice& slice) noexcept;
  void (*layer_norm_gradient)(const NormGradientSlice& slice) noexcept;
};

}  // namespace minim::kernels
