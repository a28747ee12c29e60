#include <algorithm>

#include "kernels/kernel_table.h"
#include "tensor/shape_check.h"
#include "train/ops/ops.h"

namespace minim::train {
namespace {

// Gradients of weights are summed in chunks of so many rows, and these in their order: the sum does
// not depend on who computes which.
constexpr int64_t kChunkRows = 64;
constexpr int64_t kColumnsPerTask = 64;

struct NormBack {
  Variable x;
  Parameter weight;
  Parameter bias;  // of a layer norm; else without values
  float epsilon;
  bool centred;
};

// One row, which may be several heads of weight.cols values.
void go_back_row(const Context& context, const NormBack& norm, const float* x,
                 const float* out_gradient, float* gradient, bool accumulate, float* weight_sum,
                 float* bias_sum) {
  kernels::NormGradientSlice slice;
  slice.weight = norm.weight.values;
  slice.epsilon = norm.epsilon;
  slice.weight_gradient = weight_sum;
  slice.bias_gradient = bias_sum;
  slice.count = norm.weight.cols;
  slice.accumulate = accumulate;
  for (int64_t at = 0; at < norm.x.cols; at += norm.weight.cols) {
    slice.x = x + at;
    slice.out_gradient = out_gradient + at;
    slice.gradient = gradient + at;
    norm.centred ? context.kernels.training.layer_norm_gradient(slice)
                 : context.kernels.training.rms_norm_gradient(slice);
  }
}

void add_chunks(const Context& context, const float* chunks, int64_t chunk_count, int64_t stride,
                const Parameter& parameter) {
  context.threads.run_ranges(parameter.cols, kColumnsPerTask, [&](int64_t begin, int64_t end) {
    for (int64_t chunk = 0; chunk < chunk_count; ++chunk) {
      context.kernels.add(chunks + chunk * stride + begin, parameter.gradients + begin,
                          end - begin);
    }
  });
}

void go_back(Tape& tape, const NormBack& norm, ConstMatrixView out_gradient) {
  const Context& context = tape.context();
  const int64_t cols = norm.weight.cols;
  const int64_t chunk_count = (norm.x.rows + kChunkRows - 1) / kChunkRows;
  const bool has_bias = norm.bias.exists();
  const int64_t stride = has_bias ? 2 * cols : cols;
  const SharedBuffer sums = tape.scratch(chunk_count * stride);
  // The gradient of x goes to a place of its own where nobody wants it: weights may train alone.
  SharedBuffer unwanted;
  Gradient::Target target{};
  if (norm.x.gradient != nullptr) {
    target = norm.x.gradient->target(tape);
  } else {
    unwanted = tape.scratch(norm.x.rows * norm.x.cols);
    target.view = {unwanted->data(), norm.x.rows, norm.x.cols, norm.x.cols};
  }
  tape.compute([&] {
    context.threads.run(chunk_count, [&](int64_t chunk) {
      float* sum = sums->data() + chunk * stride;
      std::fill_n(sum, stride, 0.0f);
      const int64_t end = std::min(norm.x.rows, (chunk + 1) * kChunkRows);
      for (int64_t t = chunk * kChunkRows; t < end; ++t) {
        go_back_row(context, norm, norm.x.view().row(t), out_gradient.row(t), target.view.row(t),
                    target.accumulate, sum, has_bias ? sum + cols : nullptr);
      }
    });
    if (norm.weight.trains) {
      add_chunks(context, sums->data(), chunk_count, stride, norm.weight);
    }
    if (has_bias && norm.bias.trains) {
      add_chunks(context, sums->data() + cols, chunk_count, stride, norm.bias);
    }
  });
}

void record(Tape& tape, const NormBack& norm, const Variable& out) {
  tape.record([norm, gradient = out.gradient](Tape& back) {
    if (!gradient->empty()) go_back(back, norm, gradient->view());
  });
}

std::span<const float> values_of(const Parameter& parameter) {
  return {parameter.values, static_cast<size_t>(parameter.cols)};
}

}  // namespace

Variable rms_norm(Tape& tape, const Variable& x, const Parameter& weight, float epsilon) {
  require_shape(weight.cols == x.cols, "train: a norm of {} values for {} columns", weight.cols,
                x.cols);
  return rms_norm_heads(tape, x, weight, epsilon);
}

Variable rms_norm_heads(Tape& tape, const Variable& x, const Parameter& weight, float epsilon) {
  require_shape(weight.cols > 0 && x.cols % weight.cols == 0,
                "train: {} columns are no whole heads of {}", x.cols, weight.cols);
  const Variable out = tape.make(x.rows, x.cols);
  const Context& context = tape.context();
  tape.compute([&] {
    context.threads.run_ranges(x.rows, kChunkRows, [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        for (int64_t at = 0; at < x.cols; at += weight.cols) {
          context.kernels.rms_norm(x.view().row(t) + at, weight.values, epsilon,
                                   out.view().row(t) + at, weight.cols);
        }
      }
    });
  });
  record(tape, {x, weight, {}, epsilon, false}, out);
  return out;
}

Variable layer_norm(Tape& tape, const Variable& x, const Parameter& weight, const Parameter& bias,
                    float epsilon) {
  const Variable out = tape.make(x.rows, x.cols);
  require_shape(weight.cols == x.cols && bias.cols == x.cols,
                "train: a norm of {} values for {} columns", weight.cols, x.cols);
  tape.compute([&] {
    minim::layer_norm(tape.context(), x.view(), values_of(weight), values_of(bias), epsilon,
                      out.view());
  });
  record(tape, {x, weight, bias, epsilon, true}, out);
  return out;
}

}  // namespace minim::train
