// Gradients against finite differences: along random directions and single values, in steps scaled
// to what floats resolve.
#pragma once

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "kernels/testing/random_data.h"
#include "train/tape.h"

namespace minim::train::testing {

using minim::testing::random_floats;

struct Shape {
  int64_t rows;
  int64_t cols;
};

// A context of the machine's best kernels and some threads.
class TrainTestContext {
 public:
  explicit TrainTestContext(int thread_count = 2)
      : threads_(thread_count),
        context_{threads_, kernels::select_kernel_table_from_environment(), {}} {}
  const Context& operator*() const { return context_; }

 private:
  ThreadPool threads_;
  Context context_;
};

// A tensor with its gradient, as a parameter.
struct TestTensor {
  TestTensor(Rng& rng, Shape shape, float deviation = 1.0f, float mean = 0.0f)
      : values(random_floats(rng, static_cast<size_t>(shape.rows * shape.cols), deviation)),
        gradients(values.size(), 0.0f),
        shape_(shape) {
    for (float& value : values) value += mean;
  }
  Parameter parameter() {
    return {values.data(), gradients.data(), shape_.rows, shape_.cols, true};
  }
  Variable variable(Tape& tape) const {
    const Variable variable = tape.make(shape_.rows, shape_.cols);
    std::copy(values.begin(), values.end(), variable.view().data);
    return variable;
  }
  int64_t rows() const { return shape_.rows; }

  std::vector<float> values;
  std::vector<float> gradients;

 private:
  Shape shape_;
};

// inputs: variables; parameters as they are. Returns what is differentiated.
using Operation = std::function<Variable(Tape&, std::vector<Variable>&)>;

struct CheckOptions {
  float step = 4e-3f;  // of a value, relative to the spread of the tensor
  double tolerance = 4e-3;
  int directions = 6;
};

// The sum of what the operation gives, weighted by fixed random numbers.
class GradientCheck {
 public:
  GradientCheck(const Context& context, std::vector<TestTensor*> inputs,
                std::vector<TestTensor*> parameters, Operation operation)
      : context_(context),
        inputs_(std::move(inputs)),
        parameters_(std::move(parameters)),
        operation_(std::move(operation)) {}

  void run(const CheckOptions& options = {}) {
    go_back();
    Rng rng(minim::testing::test_seed());
    std::vector<TestTensor*> all = inputs_;
    all.insert(all.end(), parameters_.begin(), parameters_.end());
    for (size_t i = 0; i < all.size(); ++i) {
      SCOPED_TRACE(fmt::format("tensor {}", i));
      for (int direction = 0; direction < options.directions; ++direction) {
        std::vector<float> along(all[i]->values.size(), 0.0f);
        if (direction % 2 == 0) {
          for (float& value : along) value = rng.normal();
        } else {
          along[rng.below(along.size())] = 1.0f;
        }
        check_direction(*all[i], along, options);
      }
    }
  }

 private:
  double forward() {
    BufferPool pool;
    Tape tape(context_, pool, {.record = false, .seed = 5});
    std::vector<Variable> variables;
    for (const TestTensor* input : inputs_) variables.push_back(input->variable(tape));
    const Variable out = operation_(tape, variables);
    double sum = tape.auxiliary_loss();
    for (int64_t i = 0; i < out.rows * out.cols; ++i) {
      sum += double{out.view().data[i]} * coefficient(i);
    }
    return sum;
  }

  void go_back() {
    BufferPool pool;
    Tape tape(context_, pool, {.seed = 5});
    std::vector<Variable> variables;
    for (const TestTensor* input : inputs_) variables.push_back(input->variable(tape));
    // An earlier contribution: operations must add to it.
    for (const Variable& variable : variables) {
      std::fill_n(variable.gradient->target(tape).view.data, variable.rows * variable.cols, 0.25f);
    }
    for (TestTensor* each : parameters_)
      std::fill(each->gradients.begin(), each->gradients.end(), 0.5f);
    {
      const Variable out = operation_(tape, variables);
      const MatrixView to = out.gradient->target(tape).view;
      for (int64_t i = 0; i < out.rows * out.cols; ++i) to.data[i] = coefficient(i);
    }
    tape.backward();
    for (size_t i = 0; i < inputs_.size(); ++i) {
      const MatrixView found = variables[i].gradient->view();
      for (size_t at = 0; at < inputs_[i]->gradients.size(); ++at) {
        inputs_[i]->gradients[at] = found.data[at] - 0.25f;
      }
    }
    for (TestTensor* each : parameters_) {
      for (float& gradient : each->gradients) gradient -= 0.5f;
    }
  }

  static float coefficient(int64_t i) {
    return static_cast<float>(mix_bits(static_cast<uint64_t>(i)) >> 40) * 0x1p-23f - 1.0f;
  }

  void check_direction(TestTensor& tensor, const std::vector<float>& along,
                       const CheckOptions& options) {
    const std::vector<float> before = tensor.values;
    double want = 0;
    double size = 0;
    for (size_t i = 0; i < along.size(); ++i) {
      want += double{along[i]} * tensor.gradients[i];
      size += double{along[i] * tensor.gradients[i]} * (along[i] * tensor.gradients[i]);
    }
    const auto at = [&](float step) {
      for (size_t i = 0; i < along.size(); ++i) tensor.values[i] = before[i] + step * along[i];
      return forward();
    };
    const double found = (at(options.step) - at(-options.step)) / (2.0 * options.step);
    tensor.values = before;
    EXPECT_NEAR(found, want, options.tolerance * (std::sqrt(size) + std::abs(want) + 0.2));
  }

  const Context& context_;
  std::vector<TestTensor*> inputs_;
  std::vector<TestTensor*> parameters_;
  Operation operation_;
};

}  // namespace minim::train::testing
