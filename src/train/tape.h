// The tape: what a forward pass did, so that the way back can be gone. Operations (ops/) compute
// their result at once and record what leads from the gradient of the result to those of what they
// read. What nobody needs any more goes back to the pool at once, forwards and backwards.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "base/context.h"
#include "tensor/gemm.h"
#include "tensor/matrix_view.h"
#include "train/buffer_pool.h"

namespace minim::train {

class Tape;

// The gradient of an activation, collected from everything that read it.
class Gradient {
 public:
  Gradient(int64_t rows, int64_t cols) : rows_(rows), cols_(cols) {}

  bool empty() const { return buffer_ == nullptr; }
  // What was collected. REQUIRES: not empty.
  MatrixView view() const { return {buffer_->data(), rows_, cols_, cols_}; }
  const SharedBuffer& buffer() const { return buffer_; }
  // Moves it out: whoever has gone back through an operation has no more use for it.
  SharedBuffer take() { return std::move(buffer_); }

  // Where the next contribution goes, and whether it is to be added to what is there.
  struct Target {
    MatrixView view;
    bool accumulate;
  };
  Target target(Tape& tape);
  // A contribution that lies in a buffer of its own: taken over or added.
  void add(Tape& tape, const SharedBuffer& buffer);
  // The same as target(), where what is there is 0 if it was empty.
  MatrixView zeroed_target(Tape& tape);
  // To be changed in place, by nobody else's leave. REQUIRES: not empty.
  MatrixView own(Tape& tape);

 private:
  int64_t rows_;
  int64_t cols_;
  SharedBuffer buffer_;  // may be shared with other gradients: copied before it is written to
};

// An activation, [rows, cols].
struct Variable {
  SharedBuffer buffer;
  int64_t rows = 0;
  int64_t cols = 0;
  std::shared_ptr<Gradient> gradient;  // null where nothing is learned from it

  MatrixView view() const { return {buffer->data(), rows, cols, cols}; }
};

// A tensor of the model as training sees it: matrices are [rows, cols], vectors [1, cols]. Whoever
// owns the memory of values and gradients is a ParameterSet.
struct Parameter {
  float* values = nullptr;
  float* gradients = nullptr;
  int64_t rows = 0;
  int64_t cols = 0;
  bool trains = false;  // false: frozen, and without gradients

  bool exists() const { return rows > 0; }  // biases may not
  int64_t count() const { return rows * cols; }
  MatrixView view() const { return {values, rows, cols, cols}; }
  MatrixView gradient_view() const { return {gradients, rows, cols, cols}; }
};

struct TapeOptions {
  bool record = true;    // false: nothing is remembered, as for evaluation
  bool dropping = true;  // dropout is on
  GemmPrecision precision = GemmPrecision::kFloat32;
  uint64_t seed = 0;  // of this step's random numbers: the same seed gives the same masks
  // Called on the way back, when a layer's gradients have all they get from this tape. May be
  // empty.
  std::function<void(int layer)> layer_done = {};
};

class Tape {
 public:
  Tape(const Context& context, BufferPool& pool, const TapeOptions& options = {})
      : context_(context), pool_(pool), options_(options) {}

  const Context& context() const { return context_; }
  BufferPool& pool() { return pool_; }
  const TapeOptions& options() const { return options_; }
  bool records() const { return options_.record; }

  // A new activation of undefined content, which has a gradient if the tape records.
  Variable make(int64_t rows, int64_t cols);
  // Room that an operation needs for itself.
  SharedBuffer scratch(int64_t count) { return pool_.take(count); }

  // Computes, unless the pool only counts: everything that touches memory goes through here.
  template <typename Body>
  void compute(Body&& body) {
    if (!pool_.is_counting()) body();
  }

  // What to do on the way back; steps are taken in the reverse of the order in which they come.
  void record(std::function<void(Tape&)> step) {
    if (options_.record) steps_.push_back(std::move(step));
  }
  // Goes back to the beginning, forgetting on the way.
  void backward();

  // Losses that are not the head's, such as the balance of experts: their value for reports. Their
  // gradients are the business of whoever adds them.
  void add_auxiliary_loss(double value) { auxiliary_loss_ += value; }
  double auxiliary_loss() const { return auxiliary_loss_; }

  // Runs `body` on a tape that does not record, and again on the way back on one that does: its
  // activations are computed twice and kept never (Chen et al., 2016).
  using Body = std::function<Variable(Tape&, const Variable&)>;
  Variable recompute(const Variable& x, Body body);

 private:
  const Context& context_;
  BufferPool& pool_;
  TapeOptions options_;
  std::vector<std::function<void(Tape&)>> steps_;
  double auxiliary_loss_ = 0;
};

}  // namespace minim::train
