// Operations that work through the rows of a matrix one by one.
#include <algorithm>

#include "kernels/kernel_table.h"
#include "tensor/ops.h"
#include "tensor/shape_check.h"

namespace minim {
namespace {

constexpr int64_t kValuesPerTask = 16384;  // a few microseconds of work

// body(t) for each row t of a matrix of `cols` columns.
template <typename Body>
void for_each_row(const Context& context, int64_t rows, int64_t cols, Body&& body) {
  const int64_t grain = std::max<int64_t>(1, kValuesPerTask / std::max<int64_t>(cols, 1));
  context.threads.run_ranges(rows, grain, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) body(t);
  });
}

void require_columns(const char* operation, const char* what, size_t size, int64_t cols) {
  require_shape(static_cast<int64_t>(size) == cols, "{}: {} values of {} for {} columns", operation,
                size, what, cols);
}

}  // namespace

void rms_norm(const Context& context, ConstMatrixView x, std::span<const float> weight,
              float epsilon, MatrixView out) {
  require_same_shape("rms_norm", x, out);
  require_columns("rms_norm", "weight", weight.size(), x.cols);
  for_each_row(context, x.rows, x.cols, [&](int64_t t) {
    context.kernels.rms_norm(x.row(t), weight.data(), epsilon, out.row(t), x.cols);
  });
}

void rms_norm_heads(const Context& context, MatrixView x, std::span<const float> weight,
                    float epsilon) {
  const auto head_dim = static_cast<int64_t>(weight.size());
  require_shape(head_dim > 0 && x.cols % head_dim == 0,
                "rms_norm_heads: {} columns are no whole heads of {}", x.cols, head_dim);
  for_each_row(context, x.rows, x.cols, [&](int64_t t) {
    for (int64_t at = 0; at < x.cols; at += head_dim) {
      float* head = x.row(t) + at;
      context.kernels.rms_norm(head, weight.data(), epsilon, head, head_dim);
    }
  });
}

void layer_norm(const Context& context, ConstMatrixView x, std::span<const float> weight,
                std::span<const float> bias, float epsilon, MatrixView out) {
  require_same_shape("layer_norm", x, out);
  require_columns("layer_norm", "weight", weight.size(), x.cols);
  require_columns("layer_norm", "bias", bias.size(), x.cols);
  for_each_row(context, x.rows, x.cols, [&](int64_t t) {
    context.kernels.layer_norm(x.row(t), weight.data(), bias.data(), epsilon, out.row(t), x.cols);
  });
}

void add(const Context& context, ConstMatrixView x, MatrixView out) {
  require_same_shape("add", x, out);
  for_each_row(context, x.rows, x.cols,
               [&](int64_t t) { context.kernels.add(x.row(t), out.row(t), x.cols); });
}

void add_bias(const Context& context, std::span<const float> bias, MatrixView out) {
  require_columns("add_bias", "bias", bias.size(), out.cols);
  for_each_row(context, out.rows, out.cols,
               [&](int64_t t) { context.kernels.add(bias.data(), out.row(t), out.cols); });
}

void scale(const Context& context, float factor, MatrixView x) {
  for_each_row(context, x.rows, x.cols,
               [&](int64_t t) { context.kernels.scale(factor, x.row(t), x.cols); });
}

void activate(const Context& context, Activation activation, MatrixView x) {
  for_each_row(context, x.rows, x.cols,
               [&](int64_t t) { context.kernels.activate(activation, x.row(t), x.cols); });
}

void gated_activate(const Context& context, Activation activation, MatrixView gate,
                    ConstMatrixView up) {
  require_same_shape("gated_activate", gate, up);
  for_each_row(context, gate.rows, gate.cols, [&](int64_t t) {
    context.kernels.gated_activate(activation, gate.row(t), up.row(t), gate.cols);
  });
}

void soft_cap(const Context& context, float cap, MatrixView x) {
  require_shape(cap > 0, "soft_cap: a cap of {} is not positive", cap);
  for_each_row(context, x.rows, x.cols,
               [&](int64_t t) { context.kernels.soft_cap(cap, x.row(t), x.cols); });
}

void softmax(const Context& context, MatrixView x) {
  for_each_row(context, x.rows, x.cols,
               [&](int64_t t) { context.kernels.softmax(x.row(t), x.cols); });
}

void rope(const Context& context, const RopeTable& table, std::span<const int32_t> positions,
          int head_dim, MatrixView x) {
  constexpr int32_t kPositionsMax = 1 << 24;  // beyond, a float does not hold every position
  const auto pairs = static_cast<int64_t>(table.frequencies.size());
  require_shape(head_dim > 0 && x.cols % head_dim == 0, "rope: {} columns are no whole heads of {}",
                x.cols, head_dim);
  require_shape(2 * pairs <= head_dim, "rope: {} pairs in heads of {}", pairs, head_dim);
  require_columns("rope", "positions", positions.size(), x.rows);
  for (const int32_t position : positions) {
    require_shape(position >= 0 && position < kPositionsMax, "rope: position {}", position);
  }
  for_each_row(context, x.rows, x.cols, [&](int64_t t) {
    kernels::RopeSlice slice;
    slice.x = x.row(t);
    slice.head_count = static_cast<int>(x.cols / head_dim);
    slice.head_dim = head_dim;
    slice.frequencies = table.frequencies.data();
    slice.pair_count = static_cast<int>(pairs);
    slice.position = static_cast<float>(positions[static_cast<size_t>(t)]);
    slice.magnitude = table.magnitude;
    slice.pairing = table.pairing;
    context.kernels.rope(slice);
  });
}

}  // namespace minim
