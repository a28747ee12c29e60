#include "train/tape.h"

#include <algorithm>
#include <cstring>

#include "tensor/ops.h"

namespace minim::train {
namespace {

constexpr int64_t kValuesPerTask = 1 << 16;

void copy_values(const Context& context, const float* from, float* to, int64_t count) {
  context.threads.run_ranges(count, kValuesPerTask, [&](int64_t begin, int64_t end) {
    std::memcpy(to + begin, from + begin, static_cast<size_t>(end - begin) * sizeof(float));
  });
}

}  // namespace

Gradient::Target Gradient::target(Tape& tape) {
  if (buffer_ == nullptr) {
    buffer_ = tape.pool().take(rows_ * cols_);
    return {view(), false};
  }
  return {own(tape), true};
}

MatrixView Gradient::zeroed_target(Tape& tape) {
  const Target found = target(tape);
  if (!found.accumulate) {
    tape.compute([&] { std::fill_n(found.view.data, rows_ * cols_, 0.0f); });
  }
  return found.view;
}

MatrixView Gradient::own(Tape& tape) {
  if (buffer_.use_count() > 1) {
    SharedBuffer copy = tape.pool().take(rows_ * cols_);
    tape.compute(
        [&] { copy_values(tape.context(), buffer_->data(), copy->data(), rows_ * cols_); });
    buffer_ = std::move(copy);
  }
  return view();
}

void Gradient::add(Tape& tape, const SharedBuffer& buffer) {
  if (buffer_ == nullptr) {
    buffer_ = buffer;
    return;
  }
  const MatrixView sum = own(tape);
  tape.compute([&] { minim::add(tape.context(), {buffer->data(), rows_, cols_, cols_}, sum); });
}

Variable Tape::make(int64_t rows, int64_t cols) {
  Variable variable{pool_.take(rows * cols), rows, cols, nullptr};
  if (options_.record) variable.gradient = std::make_shared<Gradient>(rows, cols);
  return variable;
}

void Tape::backward() {
  while (!steps_.empty()) {
    const std::function<void(Tape&)> step = std::move(steps_.back());
    steps_.pop_back();
    step(*this);
  }
}

Variable Tape::recompute(const Variable& x, Body body) {
  if (!options_.record) return body(*this, x);
  TapeOptions silent = options_;
  silent.record = false;
  Tape first(context_, pool_, silent);
  const Variable inside{x.buffer, x.rows, x.cols, nullptr};
  Variable out = body(first, inside);
  auxiliary_loss_ += first.auxiliary_loss();
  out.gradient = std::make_shared<Gradient>(out.rows, out.cols);
  record([x, gradient = out.gradient, body = std::move(body)](Tape& tape) {
    if (gradient->empty()) return;
    Tape second(tape.context(), tape.pool(), tape.options());
    const Variable again{x.buffer, x.rows, x.cols, std::make_shared<Gradient>(x.rows, x.cols)};
    {
      const Variable result = body(second, again);
      result.gradient->add(second, gradient->take());
    }
    second.backward();
    if (x.gradient != nullptr && !again.gradient->empty()) {
      x.gradient->add(tape, again.gradient->take());
    }
  });
  return out;
}

}  // namespace minim::train
