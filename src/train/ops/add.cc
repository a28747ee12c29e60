#include <algorithm>

#include "kernels/kernel_table.h"
#include "tensor/shape_check.h"
#include "train/ops/ops.h"

namespace minim::train {

Variable add(Tape& tape, const Variable& x, const Variable& y) {
  require_same_shape("train: add", x.view(), y.view());
  constexpr int64_t kRowsPerTask = 64;
  const Variable out = tape.make(x.rows, x.cols);
  const Context& context = tape.context();
  tape.compute([&] {
    context.threads.run_ranges(x.rows, kRowsPerTask, [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        std::copy_n(x.view().row(t), x.cols, out.view().row(t));
        context.kernels.add(y.view().row(t), out.view().row(t), x.cols);
      }
    });
  });
  // Both get the gradient as it is, and share its memory until one of them adds to it.
  tape.record([x = x.gradient, y = y.gradient, gradient = out.gradient](Tape& back) {
    if (gradient->empty()) return;
    const SharedBuffer buffer = gradient->take();
    if (x != nullptr) x->add(back, buffer);
    if (y != nullptr) y->add(back, buffer);
  });
  return out;
}

}  // namespace minim::train
