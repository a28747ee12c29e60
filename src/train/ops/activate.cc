#include <algorithm>

#include "kernels/kernel_table.h"
#include "tensor/shape_check.h"
#include "train/ops/ops.h"

namespace minim::train {
namespace {

constexpr int64_t kRowsPerTask = 32;

template <typename Body>
void for_each_row(Tape& tape, int64_t rows, Body&& body) {
  tape.compute([&] {
    tape.context().threads.run_ranges(rows, kRowsPerTask, [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) body(t);
    });
  });
}

// Of something whose way back changes the gradient of its result in place, element by element.
void pass_on(Tape& tape, const Variable& x, Gradient& gradient) {
  if (x.gradient != nullptr) x.gradient->add(tape, gradient.take());
}

}  // namespace

Variable activate(Tape& tape, Activation activation, const Variable& x) {
  const Variable out = tape.make(x.rows, x.cols);
  const auto& kernels = tape.context().kernels;
  for_each_row(tape, x.rows, [&](int64_t t) {
    std::copy_n(x.view().row(t), x.cols, out.view().row(t));
    kernels.activate(activation, out.view().row(t), x.cols);
  });
  tape.record([x, activation, gradient = out.gradient](Tape& back) {
    if (gradient->empty()) return;
    const MatrixView own = gradient->own(back);
    for_each_row(back, x.rows, [&](int64_t t) {
      back.context().kernels.training.activate_gradient(activation, x.view().row(t), own.row(t),
                                                        x.cols);
    });
    pass_on(back, x, *gradient);
  });
  return out;
}

Variable gated_activate(Tape& tape, Activation activation, const Variable& gate,
                        const Variable& up) {
  require_same_shape("train: gated_activate", gate.view(), up.view());
  const Variable out = tape.make(gate.rows, gate.cols);
  const auto& kernels = tape.context().kernels;
  for_each_row(tape, gate.rows, [&](int64_t t) {
    std::copy_n(gate.view().row(t), gate.cols, out.view().row(t));
    kernels.gated_activate(activation, out.view().row(t), up.view().row(t), gate.cols);
  });
  tape.record([gate, up, activation, gradient = out.gradient](Tape& back) {
    if (gradient->empty()) return;
    const SharedBuffer up_gradient = back.scratch(up.rows * up.cols);
    const MatrixView own = gradient->own(back);
    for_each_row(back, gate.rows, [&](int64_t t) {
      back.context().kernels.training.gated_activate_gradient(
          activation, gate.view().row(t), up.view().row(t), own.row(t), own.row(t),
          up_gradient->data() + t * up.cols, gate.cols);
    });
    if (up.gradient != nullptr) up.gradient->add(back, up_gradient);
    pass_on(back, gate, *gradient);
  });
  return out;
}

Variable soft_cap(Tape& tape, const Variable& x, float cap) {
  require_shape(cap > 0, "train: a soft cap of {} is not positive", cap);
  const Variable out = tape.make(x.rows, x.cols);
  const auto& kernels = tape.context().kernels;
  for_each_row(tape, x.rows, [&](int64_t t) {
    std::copy_n(x.view().row(t), x.cols, out.view().row(t));
    kernels.soft_cap(cap, out.view().row(t), x.cols);
  });
  tape.record([x, cap, capped = out.buffer, gradient = out.gradient](Tape& back) {
    if (gradient->empty()) return;
    const MatrixView own = gradient->own(back);
    for_each_row(back, x.rows, [&](int64_t t) {
      back.context().kernels.training.soft_cap_gradient(cap, capped->data() + t * x.cols,
                                                        own.row(t), x.cols);
    });
    pass_on(back, x, *gradient);
  });
  return out;
}

}  // namespace minim::train
