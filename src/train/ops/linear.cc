#include <algorithm>

#include "kernels/kernel_table.h"
#include "tensor/shape_check.h"
#include "train/ops/ops.h"

namespace minim::train {
namespace {

constexpr int64_t kColumnsPerTask = 64;
constexpr int64_t kRowsPerTask = 64;

// Each column is summed by one thread, in the order of the rows.
void add_column_sums(const Context& context, ConstMatrixView x, float* sums) {
  context.threads.run_ranges(x.cols, kColumnsPerTask, [&](int64_t begin, int64_t end) {
    for (int64_t t = 0; t < x.rows; ++t) {
      context.kernels.add(x.row(t) + begin, sums + begin, end - begin);
    }
  });
}

void copy_columns(const Context& context, ConstMatrixView from, MatrixView to, bool accumulate) {
  context.threads.run_ranges(from.rows, kRowsPerTask, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      if (accumulate) {
        context.kernels.add(from.row(t), to.row(t), from.cols);
      } else {
        std::copy_n(from.row(t), from.cols, to.row(t));
      }
    }
  });
}

}  // namespace

Variable linear(Tape& tape, const Variable& x, const Parameter& weight, const Parameter* bias) {
  require_shape(x.cols == weight.cols, "train: linear of {} columns by a matrix of {}", x.cols,
                weight.cols);
  const GemmPrecision precision = tape.options().precision;
  const Variable out = tape.make(x.rows, weight.rows);
  tape.compute([&] {
    gemm(tape.context(), x.view(), weight.view(), out.view(),
         {.transpose_b = true, .precision = precision});
    if (bias != nullptr) {
      add_bias(tape.context(), {bias->values, static_cast<size_t>(bias->cols)}, out.view());
    }
  });
  const Parameter bias_copy = bias != nullptr ? *bias : Parameter{};
  tape.record([x, weight, bias_copy, precision, gradient = out.gradient](Tape& back) {
    if (gradient->empty()) return;
    if (weight.trains) {
      back.compute([&] {
        gemm(back.context(), gradient->view(), x.view(), weight.gradient_view(),
             {.transpose_a = true, .accumulate = true, .precision = precision});
      });
    }
    if (bias_copy.trains) {
      back.compute([&] { add_column_sums(back.context(), gradient->view(), bias_copy.gradients); });
    }
    if (x.gradient == nullptr) return;
    const Gradient::Target target = x.gradient->target(back);
    back.compute([&] {
      gemm(back.context(), gradient->view(), weight.view(), target.view,
           {.accumulate = target.accumulate, .precision = precision});
    });
  });
  return out;
}

Variable slice_columns(Tape& tape, const Variable& x, int64_t begin, int64_t count) {
  require_shape(begin >= 0 && count > 0 && begin + count <= x.cols, "train: columns {} to {} of {}",
                begin, begin + count, x.cols);
  const Variable out = tape.make(x.rows, count);
  tape.compute(
      [&] { copy_columns(tape.context(), x.view().col_range(begin, count), out.view(), false); });
  tape.record([from = x.gradient, begin, count, gradient = out.gradient](Tape& back) {
    if (gradient->empty() || from == nullptr) return;
    const MatrixView whole = from->zeroed_target(back);
    back.compute([&] {
      copy_columns(back.context(), gradient->view(), whole.col_range(begin, count), true);
    });
  });
  return out;
}

}  // namespace minim::train
